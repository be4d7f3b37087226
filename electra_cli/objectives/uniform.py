"""ELECTRA without a generator: masks are filled with any token (the reference's uniform_generator).

Shapes: B rows, S sequence, M masked positions, G hidden of a generator, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.objectives.electra import Electra
from electra_cli.objectives.terms import ReplacedTokens, UniformTokens

if TYPE_CHECKING:
    import tensorflow as tf

    from electra_cli.modeling.dropout import Dropout
    from electra_cli.modeling.electra import ElectraModel


class UniformElectra(Electra):
    """The discriminator tells tokens apart that chance has put into the text."""

    def __init__(self, settings: ObjectiveConfig) -> None:
        super().__init__(settings)
        self.terms = (
            UniformTokens("gen", settings.generator_weight),
            ReplacedTokens("disc", settings.disc_weight),
        )

    def fill(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> tuple[dict[str, tf.Tensor], None]:
        """Fills the masks without a network; arguments as of `forward`.

        The reference draws from logits that are all zero, whose loss is always ln V; here none are
        made.

        Returns:
          masked_lm_cross_entropy [B, M] float32 and sampled_ids [B, M]; and None.
        """
        import tensorflow as tf

        from electra_cli.metrics.baselines import uniform_loss
        from electra_cli.modeling.sampling import uniform_ids

        vocab_size, slots = model.architecture.vocab_size, tf.shape(features["masked_lm_weights"])
        sampled = features.get("sampled_ids")
        if sampled is None:
            is_allowed = dropout is None or not self.settings.disallow_correct
            disallowed = None if is_allowed else features["masked_lm_ids"]  # [B, M]
            sampled = uniform_ids(features["sample_uniforms"], vocab_size, disallowed)  # [B, M]
        nats = tf.fill(slots, uniform_loss(vocab_size))  # [B, M]
        return {"masked_lm_cross_entropy": nats, "sampled_ids": sampled}, None
