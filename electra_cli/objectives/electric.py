"""Electric: an energy-based cloze model, learned by noise-contrastive estimation.

Clark, Luong, Le and Manning (2020), "Pre-Training Transformers as Energy-Based Cloze Models"; the
reference's `electric_objective` with its `two_tower_generator`.

The discriminator's own output is the energy E of each token in its text: exp(-E) is how likely the
token is there, without a normaliser. With a share p of noise, of which q is the distribution, the
odds that a token is noise are p·q / ((1 - p)·exp(-E)), and their logarithm, which the loss is of,
is E + log q + log(p / (1 - p)).

Shapes: B rows, S sequence, M masked positions, E embedding, D hidden, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.objectives.electra import Electra
from electra_cli.objectives.terms import ClozeTokens, MaskedTokens, ReplacedTokens

if TYPE_CHECKING:
    import tensorflow as tf

    from electra_cli.modeling.dropout import Dropout
    from electra_cli.modeling.electra import ElectraModel
    from electra_cli.objectives.base import Tensors


class Electric(Electra):
    """Two towers say how likely each token is, and the discriminator tells their samples from text.

    The towers learn from all tokens. What they say of the masked ones is reported too, as the
    reference does, and weighs nothing.
    """

    def __init__(self, settings: ObjectiveConfig) -> None:
        super().__init__(settings)
        self.terms = (
            ClozeTokens("cloze", settings.generator_weight),
            MaskedTokens("gen", 0.0, sampled=True),
            ReplacedTokens("disc", settings.disc_weight),
        )

    def batch_features(
        self, features: Tensors, special_ids: Mapping[str, int], mask_probability: float
    ) -> dict[str, tf.Tensor]:
        """Adds cloze_weights [B, S] float32 (1: may be masked) and noise_log_odds [B] float32."""
        import tensorflow as tf

        from electra_cli.inputs.masking import candidate_mask

        unmaskable = [special_ids[name] for name in ("cls", "sep", "mask")]
        candidates = candidate_mask(dict(features), unmaskable)  # [B, S]
        log_odds = math.log(mask_probability / (1 - mask_probability))
        return super().batch_features(features, special_ids, mask_probability) | {
            "cloze_weights": tf.cast(candidates, tf.float32),
            "noise_log_odds": tf.fill(tf.shape(candidates)[:1], log_odds),  # [B]
        }

    def forward(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> dict[str, tf.Tensor]:
        """Towers, sampling, discriminator.

        Args:
          model: Has two towers and a discriminator.
          features: What `batch_features` returned. `sampled_ids` [B, M], if present, stands in for
            the samples.
          dropout: As of `Objective.forward`.

        Returns:
          cloze_cross_entropy and cloze_is_best [B, S] float32; masked_lm_logits [B, M, V] float32,
          without a gradient; sampled_ids [B, M]; disc_inputs [B, S]; disc_labels [B, S] (1: was
          drawn, even where the same token came out); disc_logits [B, S] float32, of the odds that a
          token was drawn; disc_sequence_output [B, S, D].
        """
        import tensorflow as tf

        from electra_cli.inputs.masking import scatter_ids
        from electra_cli.modeling.layers import length_of
        from electra_cli.modeling.lookup import rows_at
        from electra_cli.modeling.sampling import sample_ids

        ids, positions = features["input_ids"], features["masked_lm_positions"]
        weights = features["masked_lm_weights"]
        predicted = model.cloze_predicted(features, dropout)  # [B·S, E]
        fixed = tf.stop_gradient(predicted)
        rows = tf.reshape(fixed, [-1, length_of(ids), fixed.shape[-1]])  # [B, S, E]
        at_masks = tf.reshape(rows_at(rows, positions), [-1, rows.shape[-1]])  # [B·M, E]
        logits = tf.stop_gradient(model.two_towers.head.logits(at_masks))  # [B·M, V]
        sampled = features.get("sampled_ids")
        if sampled is None:
            drawn = sample_ids(logits, tf.reshape(features["sample_uniforms"], [-1]))  # [B·M]
            sampled = tf.reshape(drawn, tf.shape(weights))  # [B, M]
        noised = scatter_ids(ids, positions, sampled, weights)  # [B, S]
        ones = tf.ones_like(positions)
        labels = scatter_ids(tf.zeros_like(ids), positions, ones, weights)  # [B, S]
        scores = model.two_towers.scores(predicted, ids, noised)  # [B, S] each
        energies, sequence = model.discriminate(noised, features, dropout)
        log_odds = features["noise_log_odds"][:, None]  # [B, 1]
        return {
            "cloze_cross_entropy": scores.nats,
            "cloze_is_best": scores.is_best,
            "masked_lm_logits": tf.reshape(logits, [-1, positions.shape[1], logits.shape[-1]]),
            "sampled_ids": sampled,
            "disc_inputs": noised,
            "disc_labels": labels,
            "disc_logits": energies + tf.stop_gradient(scores.of_others) + log_odds,
            "disc_sequence_output": sequence,
        }
