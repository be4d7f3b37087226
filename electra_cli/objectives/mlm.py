"""Masked language modelling with one network (the reference's `electra_objective=False`).

The main encoder fills masks itself; there is no small generator and no discriminator.

Shapes: B rows, M masked positions, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.objectives.base import Objective
from electra_cli.objectives.terms import MaskedTokens

if TYPE_CHECKING:
    import tensorflow as tf

    from electra_cli.modeling.dropout import Dropout
    from electra_cli.modeling.electra import ElectraModel


class MaskedLanguageModelling(Objective):
    """The network fills masks; its loss has the weight `objective.generator_weight`."""

    def __init__(self, settings: ObjectiveConfig) -> None:
        super().__init__(settings)
        self.terms = (MaskedTokens("mlm", settings.generator_weight),)

    def forward(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> dict[str, tf.Tensor]:
        """masked_lm_logits [B, M, V] float32; arguments as of `Objective.forward`."""
        return {"masked_lm_logits": model.generate(features, dropout)}
