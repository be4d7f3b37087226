"""ELECTRA: replaced token detection with a jointly trained generator (Clark et al. 2020).

Shapes: B rows, S sequence, M masked positions, D hidden (G of the generator), V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.objectives.base import Objective
from electra_cli.objectives.terms import MaskedTokens, ReplacedTokens

if TYPE_CHECKING:
    import tensorflow as tf

    from electra_cli.modeling.dropout import Dropout
    from electra_cli.modeling.electra import ElectraModel

# Held-out numbers differ by so much from chance; less is not worth a word.
_AREA, _SHARE_OF_LOSS = 0.01, 0.01


class Electra(Objective):
    """The generator fills masks, and the discriminator tells which tokens it replaced."""

    def __init__(self, settings: ObjectiveConfig) -> None:
        super().__init__(settings)
        self.terms = (
            MaskedTokens("gen", settings.generator_weight, sampled=True),
            ReplacedTokens("disc", settings.disc_weight),
        )

    def forward(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> dict[str, tf.Tensor]:
        """Generator, sampling, discriminator.

        Args:
          model: Has a generator and a discriminator.
          features: What `inputs.masking.mask_tokens` returns. `sampled_ids` [B, M], if present,
            stands in for the samples.
          dropout: The masks of this pass; None for no dropout.

        Returns:
          masked_lm_logits [B, M, V] float32, sampled_ids [B, M], disc_inputs [B, S], disc_labels
          [B, S] (1: differs from the original), disc_logits [B, S] float32,
          disc_sequence_output [B, S, D] and, of a model with that head, next_sentence_logits
          [B, classes] float32.
        """
        import tensorflow as tf

        from electra_cli.inputs.masking import scatter_ids

        hidden = model.generator_hidden(features, dropout)  # [B·S, G]
        logits = model.masked_lm_logits(hidden, features)  # [B, M, V]
        sampled = features.get("sampled_ids")
        if sampled is None:
            sampled = self._sampled(model, logits, features)  # [B, M]
        ids, positions = features["input_ids"], features["masked_lm_positions"]
        replaced = scatter_ids(ids, positions, sampled, features["masked_lm_weights"])  # [B, S]
        disc_logits, sequence = model.discriminate(replaced, features, dropout)
        outputs = {
            "masked_lm_logits": logits,
            "sampled_ids": sampled,
            "disc_inputs": replaced,
            "disc_labels": tf.cast(replaced != ids, tf.int32),
            "disc_logits": disc_logits,
            "disc_sequence_output": sequence,
        }
        if model.architecture.next_sentence is not None:
            outputs["next_sentence_logits"] = model.next_sentence_logits(hidden, features, dropout)
        return outputs

    def _sampled(
        self, model: ElectraModel, logits: tf.Tensor, features: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        """Draws from the generator, which learns nothing from it; [B, M, V] -> [B, M] int32."""
        import tensorflow as tf

        from electra_cli.modeling.sampling import sample_ids

        fixed = tf.stop_gradient(tf.reshape(logits, [-1, logits.shape[-1]]))  # [B·M, V]
        if self.settings.disallow_correct:
            original = tf.reshape(features["masked_lm_ids"], [-1, 1])  # [B·M, 1]
            fixed -= tf.where(tf.range(fixed.shape[-1]) == original, 1000.0, 0.0)
        uniforms = tf.reshape(features["sample_uniforms"], [-1])  # [B·M]
        return tf.reshape(sample_ids(fixed, uniforms), tf.shape(features["masked_lm_weights"]))

    def remark(self, before: Mapping[str, float], after: Mapping[str, float]) -> str:
        """Why numbers of the discriminator have become worse while both networks learn, or ''."""
        if not after["masked_lm_loss"] < before["masked_lm_loss"]:
            return ""
        worse = [
            text
            for text, is_worse in (
                ("disc_auc falls", after["disc_auc"] < before["disc_auc"] - _AREA),
                (
                    "total_loss rises",
                    after["total_loss"] > before["total_loss"] * (1 + _SHARE_OF_LOSS),
                ),
            )
            if is_worse
        ]
        if not worse:
            return ""
        return (
            f"{' and '.join(worse)} while the generator improves (masked_lm_loss falls): its "
            "replacements become harder to tell from the text. This is usual, not a fault."
        )
