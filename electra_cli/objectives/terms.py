"""Terms that objectives are made of: a head's loss, and what is measured of its predictions.

Shapes: B rows, S sequence, M masked positions, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

from electra_cli.metrics.tokens import MaskedTokenSums, ReplacedTokenSums, TokenSums

if TYPE_CHECKING:
    import tensorflow as tf

    Tensors = Mapping[str, tf.Tensor]


class Term(ABC):
    """One part of the total loss.

    Args:
      label: What a line of progress calls the loss.
      weight: Of the loss in the total.

    Attributes:
      names: What the loss and the other metrics are called, by the keys of `TokenSums.result`, in
        the order in which they are shown.
      corpus_only: Keys of those that only a whole validation set can say.
      broken_down: Key of the one that is also given for groups of tokens.
      output: Name of the head's output.
    """

    names: Mapping[str, str]
    corpus_only: ClassVar[Collection[str]]
    broken_down: ClassVar[str]
    output: ClassVar[str]

    def __init__(self, label: str, weight: float) -> None:
        self.label = label
        self.weight = weight

    @abstractmethod
    def token_sums(self) -> TokenSums:
        """Empty sums over the tokens of a validation set."""

    @abstractmethod
    def target(self, features: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """What the output should be, and the weight of each element, 0 where it does not count."""

    @abstractmethod
    def label_shapes(self, outputs: Tensors) -> dict[str, tf.TensorShape]:
        """The labels in a batch that the term needs, and their shapes."""

    @abstractmethod
    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """The arrays of tokens that `token_sums` adds up, beside input_ids and input_mask."""

    @abstractmethod
    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """What Keras metrics are updated with, by the keys of `names`."""

    @abstractmethod
    def count(self, features: Tensors) -> tf.Tensor:
        """How many elements the loss is a mean over; scalar float32."""

    @abstractmethod
    def sum(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """The loss in nats, summed over its elements; scalar float32."""


class MaskedTokens(Term):
    """Masked positions: which token was there (`_get_masked_lm_output` of the reference).

    Args:
      label: As of `Term`.
      weight: As of `Term`.
      sampled: A token is also drawn at each masked position.
    """

    corpus_only = ("top5_accuracy",)
    broken_down = "accuracy"
    output = "masked_lm_logits"

    def __init__(self, label: str, weight: float, *, sampled: bool = False) -> None:
        super().__init__(label, weight)
        self._sampled = sampled
        self.names = {
            "loss": "masked_lm_loss",
            "perplexity": "masked_lm_perplexity",
            "accuracy": "masked_lm_accuracy",
            "top5_accuracy": "masked_lm_top5_accuracy",
        } | ({"sampled_accuracy": "sampled_masked_lm_accuracy"} if sampled else {})

    def token_sums(self) -> TokenSums:
        """Sums over masked positions."""
        return MaskedTokenSums(sampled=self._sampled)

    def target(self, features: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Original ids and weights of the slots; [B, M] each."""
        del outputs
        return features["masked_lm_ids"], features["masked_lm_weights"]

    def label_shapes(self, outputs: Tensors) -> dict[str, tf.TensorShape]:
        """Those of the slots; [B, M]."""
        shape = outputs[self.output].shape[:2]
        return {"masked_lm_ids": shape, "masked_lm_weights": shape}

    def count(self, features: Tensors) -> tf.Tensor:
        """The slots in use."""
        from electra_cli.modeling.losses import total_of

        return total_of(features["masked_lm_weights"])

    def sum(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Cross-entropy of the slots in use."""
        from electra_cli.modeling.losses import masked_lm_cross_entropy, total_of

        ids, weights = self.target(features, outputs)
        return total_of(masked_lm_cross_entropy(outputs[self.output], ids) * weights)

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `MaskedTokenSums` reads; [B, M] each."""
        import tensorflow as tf

        from electra_cli.modeling.losses import masked_lm_cross_entropy

        logits = outputs[self.output]  # [B, M, V]
        ids, weights = self.target(features, outputs)
        right = tf.gather(logits, ids[:, :, None], batch_dims=2)  # [B, M, 1]
        logs = {
            "masked_lm_cross_entropy": masked_lm_cross_entropy(logits, ids),
            "masked_lm_ids": tf.cast(ids, tf.int32),
            "masked_lm_positions": features["masked_lm_positions"],
            "masked_lm_predictions": tf.argmax(logits, axis=-1, output_type=tf.int32),
            # How many tokens the network prefers to the original.
            "masked_lm_rank": tf.reduce_sum(tf.cast(logits > right, tf.int32), axis=-1),
            "masked_lm_weights": weights,
        }
        return logs | ({"sampled_ids": outputs["sampled_ids"]} if self._sampled else {})

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the slots in use."""
        from electra_cli.metrics.step import masked_sums

        return masked_sums(logs, sampled=self._sampled)


class ReplacedTokens(Term):
    """Every token: whether it was replaced (`_get_discriminator_output` of the reference)."""

    corpus_only = ("auc_reference", "average_precision", "calibration_error")
    broken_down = "recall"
    output = "disc_logits"

    def __init__(self, label: str, weight: float) -> None:
        super().__init__(label, weight)
        self.names = {
            "loss": "disc_loss",
            "accuracy": "disc_accuracy",
            "precision": "disc_precision",
            "recall": "disc_recall",
            "f1": "disc_f1",
            "auc": "disc_auc",
            "auc_reference": "disc_auc_reference",
            "average_precision": "disc_average_precision",
            "calibration_error": "disc_calibration_error",
            "replaced_rate": "replaced_rate",
        }

    def token_sums(self) -> TokenSums:
        """Sums over tokens that are not padding."""
        return ReplacedTokenSums()

    def target(self, features: Tensors, outputs: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Labels (1: replaced) and which positions hold a token; [B, S] each."""
        return outputs["disc_labels"], features["input_mask"]

    def label_shapes(self, outputs: Tensors) -> dict[str, tf.TensorShape]:
        """Which positions hold a token; [B, S]."""
        return {"input_mask": outputs[self.output].shape}

    def count(self, features: Tensors) -> tf.Tensor:
        """The tokens that are not padding."""
        from electra_cli.modeling.losses import total_of

        return total_of(features["input_mask"])

    def sum(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Binary cross-entropy of the tokens that are not padding."""
        import tensorflow as tf

        from electra_cli.modeling.losses import discriminator_cross_entropy, total_of

        labels, mask = self.target(features, outputs)
        nats = discriminator_cross_entropy(outputs[self.output], labels)  # [B, S]
        return total_of(nats * tf.cast(mask, tf.float32))

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `ReplacedTokenSums` reads; [B, S] each."""
        from electra_cli.modeling.losses import discriminator_cross_entropy

        labels, _ = self.target(features, outputs)
        logits = outputs[self.output]
        return {
            "disc_cross_entropy": discriminator_cross_entropy(logits, labels),
            "disc_logits": logits,
            "disc_labels": labels,
        }

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the tokens that are not padding."""
        from electra_cli.metrics.step import replaced_sums

        return replaced_sums(logs)
