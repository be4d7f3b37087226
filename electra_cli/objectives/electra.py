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
    from electra_cli.objectives.base import Tensors

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
          model: Has a discriminator, and a generator if `fill` uses it.
          features: What `inputs.masking.mask_tokens` returns. `sampled_ids` [B, M], if present,
            stands in for the samples.
          dropout: The masks of this pass; None while nothing is trained: then there is no dropout,
            and the token that was masked may be drawn.

        Returns:
          Those of `fill`, disc_inputs [B, S], disc_labels [B, S] (1: differs from the original),
          disc_logits [B, S] float32, disc_sequence_output [B, S, D] and, of a model with that head,
          next_sentence_logits [B, classes] float32.
        """
        import tensorflow as tf

        from electra_cli.inputs.masking import scatter_ids

        filled, hidden = self.fill(model, features, dropout)
        ids, positions = features["input_ids"], features["masked_lm_positions"]
        replaced = scatter_ids(
            ids, positions, filled["sampled_ids"], features["masked_lm_weights"]
        )  # [B, S]
        disc_logits, sequence = model.discriminate(replaced, features, dropout)
        outputs = filled | {
            "disc_inputs": replaced,
            "disc_labels": tf.cast(replaced != ids, tf.int32),
            "disc_logits": disc_logits,
            "disc_sequence_output": sequence,
        }
        if model.architecture.next_sentence is not None:
            outputs["next_sentence_logits"] = model.next_sentence_logits(hidden, features, dropout)
        return outputs

    def fill(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        """Fills the masks; arguments as of `forward`.

        Returns:
          masked_lm_logits [B, M, V] float32 and sampled_ids [B, M]; and the generator's view of the
          text [B·S, G], None without one.
        """
        import tensorflow as tf

        from electra_cli.modeling.sampling import sample_ids

        hidden = model.generator_hidden(features, dropout)  # [B·S, G]
        logits = model.masked_lm_logits(hidden, features)  # [B, M, V]
        sampled = features.get("sampled_ids")
        if sampled is None:
            drawn_from = self.sampling_logits(logits, features, training=dropout is not None)
            uniforms = tf.reshape(features["sample_uniforms"], [-1])  # [B·M]
            drawn = sample_ids(drawn_from, uniforms)  # [B·M]
            sampled = tf.reshape(drawn, tf.shape(features["masked_lm_weights"]))  # [B, M]
        return {"masked_lm_logits": logits, "sampled_ids": sampled}, hidden

    def sampling_logits(self, logits: tf.Tensor, features: Tensors, *, training: bool) -> tf.Tensor:
        """What tokens are drawn from; the generator learns nothing from it.

        Args:
          logits: The generator's, [B, M, V] float32.
          features: Of the batch; `sampling_temperature` [B] is what `step_features` adds.
          training: Whether the token that was masked may be refused.

        Returns:
          [B·M, V] float32.
        """
        import tensorflow as tf

        from electra_cli.modeling import sampling

        fixed = tf.stop_gradient(tf.reshape(logits, [-1, logits.shape[-1]]))  # [B·M, V]
        temperature, disallowed = features.get("sampling_temperature"), None
        if temperature is not None:
            temperature = tf.repeat(temperature, logits.shape[1])  # [B·M]
        if training and self.settings.disallow_correct:
            disallowed = tf.reshape(features["masked_lm_ids"], [-1])  # [B·M]
        if temperature is None and disallowed is None:
            return fixed
        return sampling.sampling_logits(fixed, temperature, disallowed)  # [B·M, V]

    def step_features(self, features: Tensors, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Adds `sampling_temperature` [B] float32 where it is not 1 in every step."""
        import tensorflow as tf

        found, settings = super().step_features(features, step), self.settings
        if settings.temperature != 1:
            above = tf.constant(settings.temperature - 1)
            if settings.temperature_decay_steps:
                past = tf.cast(step, tf.float32) / settings.temperature_decay_steps
                above *= tf.exp(-past)
            rows = tf.shape(features["input_ids"])[0]
            found["sampling_temperature"] = tf.fill([rows], 1 + above)  # [B]
        return found

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
