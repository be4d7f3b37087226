"""Terms that objectives are made of: a head's loss, and what is measured of its predictions.

Shapes: B rows, N elements of a row, S sequence, M masked positions, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import tensorflow as tf

    from electra_cli.metrics.tokens import TokenSums

    Tensors = Mapping[str, tf.Tensor]


class Term(ABC):
    """One part of the total loss: a mean, weighed, over the elements of a head's output.

    Args:
      label: What a line of progress calls the loss.
      weight: Of the loss in the total.

    Attributes:
      names: What the loss and the other metrics are called, by the keys of `TokenSums.result`, in
        the order in which they are shown.
      corpus_only: Keys of those that only a whole validation set can say.
      broken_down: Key of the one that is also given for groups of tokens.
      output: Name of the head's output, [B, N, …].
      target: Name of what it should be, a label or an output, [B, N] integers.
      labels: Names of all that it reads of a batch to learn from, [B, N] each.
      mask: The one of them that says the weight of each element, 0 for none.
    """

    names: Mapping[str, str]
    corpus_only: ClassVar[Collection[str]]
    broken_down: ClassVar[str]
    output: ClassVar[str]
    target: ClassVar[str]
    labels: ClassVar[Sequence[str]]
    mask: ClassVar[str]

    def __init__(self, label: str, weight: float) -> None:
        self.label = label
        self.weight = weight

    @abstractmethod
    def cross_entropy(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """The loss of each element in nats, [B, N] float32."""

    @abstractmethod
    def token_sums(self) -> TokenSums:
        """Empty sums over the elements of a validation set."""

    @abstractmethod
    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """The arrays that `token_sums` adds up, beside input_ids and input_mask."""

    @abstractmethod
    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """What Keras metrics are updated with, by the keys of `names`."""

    def count(self, features: Tensors) -> tf.Tensor:
        """How many elements the loss is a mean over; scalar float32."""
        from electra_cli.modeling.losses import total_of

        return total_of(features[self.mask])

    def sum(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """The loss in nats, summed over its elements; scalar float32."""
        import tensorflow as tf

        from electra_cli.modeling.losses import total_of

        weights = tf.cast(features[self.mask], tf.float32)  # [B, N]
        return total_of(self.cross_entropy(features, outputs) * weights)


class MaskedTokens(Term):
    """Masked positions: which token was there (`_get_masked_lm_output` of the reference).

    Args:
      label: As of `Term`.
      weight: As of `Term`.
      sampled: A token is also drawn at each masked position.
    """

    corpus_only: ClassVar[Collection[str]] = ("top5_accuracy",)
    broken_down = "accuracy"
    output, target = "masked_lm_logits", "masked_lm_ids"
    labels, mask = ("masked_lm_ids", "masked_lm_weights"), "masked_lm_weights"

    def __init__(self, label: str, weight: float, *, sampled: bool = False) -> None:
        super().__init__(label, weight)
        self._sampled = sampled
        self.names = {
            "loss": "masked_lm_loss",
            "perplexity": "masked_lm_perplexity",
            "accuracy": "masked_lm_accuracy",
            "top5_accuracy": "masked_lm_top5_accuracy",
        } | ({"sampled_accuracy": "sampled_masked_lm_accuracy"} if sampled else {})

    def cross_entropy(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Of each slot, [B, M]."""
        from electra_cli.modeling.losses import masked_lm_cross_entropy

        return masked_lm_cross_entropy(outputs[self.output], features["masked_lm_ids"])

    def token_sums(self) -> TokenSums:
        """Sums over the slots in use."""
        from electra_cli.metrics.tokens import MaskedTokenSums

        return MaskedTokenSums(sampled=self._sampled)

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `MaskedTokenSums` reads; [B, M] each."""
        import tensorflow as tf

        logits, ids = outputs[self.output], features["masked_lm_ids"]  # [B, M, V], [B, M]
        right = tf.gather(logits, ids[:, :, None], batch_dims=2)  # [B, M, 1]
        logs = {
            "masked_lm_cross_entropy": self.cross_entropy(features, outputs),
            "masked_lm_ids": tf.cast(ids, tf.int32),
            "masked_lm_positions": features["masked_lm_positions"],
            "masked_lm_predictions": tf.argmax(logits, axis=-1, output_type=tf.int32),
            # How many tokens the network prefers to the original.
            "masked_lm_rank": tf.reduce_sum(tf.cast(logits > right, tf.int32), axis=-1),
            "masked_lm_weights": features["masked_lm_weights"],
        }
        return logs | ({"sampled_ids": outputs["sampled_ids"]} if self._sampled else {})

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the slots in use."""
        from electra_cli.metrics.step import masked_sums

        return masked_sums(logs, sampled=self._sampled)


class UniformTokens(MaskedTokens):
    """Masked positions where every token is equally likely (the reference's uniform_generator).

    The loss is ln V of every slot, whatever happens; nothing predicts, so that of the accuracies
    the one of the drawn tokens is left.

    Args:
      label: As of `Term`.
      weight: As of `Term`.
    """

    corpus_only = ()
    broken_down = "sampled_accuracy"
    output = "sampled_ids"

    def __init__(self, label: str, weight: float) -> None:
        super().__init__(label, weight, sampled=True)
        kept = ("loss", "perplexity", "sampled_accuracy")
        self.names = {key: self.names[key] for key in kept}

    def cross_entropy(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Of each slot, [B, M]."""
        del features
        return outputs["masked_lm_cross_entropy"]

    def token_sums(self) -> TokenSums:
        """Sums over the slots in use."""
        from electra_cli.metrics.tokens import MaskedTokenSums

        return MaskedTokenSums(sampled=True, predicted=False)

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `MaskedTokenSums` reads; [B, M] each."""
        import tensorflow as tf

        return {
            "masked_lm_cross_entropy": self.cross_entropy(features, outputs),
            "masked_lm_ids": tf.cast(features["masked_lm_ids"], tf.int32),
            "masked_lm_positions": features["masked_lm_positions"],
            "masked_lm_weights": features["masked_lm_weights"],
            "sampled_ids": outputs["sampled_ids"],
        }

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the slots in use."""
        from electra_cli.metrics.step import masked_sums

        return masked_sums(logs, sampled=True, predicted=False)


class ClozeTokens(Term):
    """Every token that may be masked: how likely it is, given the others (`_get_cloze_outputs`)."""

    names: Mapping[str, str] = {
        "loss": "cloze_loss",
        "perplexity": "cloze_perplexity",
        "accuracy": "cloze_accuracy",
    }
    corpus_only = ()
    broken_down = "accuracy"
    output, target = "cloze_cross_entropy", "input_ids"
    labels, mask = ("input_ids", "cloze_weights"), "cloze_weights"

    def cross_entropy(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Of each position, [B, S]."""
        del features
        return outputs[self.output]

    def token_sums(self) -> TokenSums:
        """Sums over the tokens that may be masked."""
        from electra_cli.metrics.tokens import ClozeTokenSums

        return ClozeTokenSums()

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `ClozeTokenSums` reads; [B, S] each."""
        return {
            "cloze_cross_entropy": outputs[self.output],
            "cloze_is_best": outputs["cloze_is_best"],
            "cloze_weights": features[self.mask],
        }

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the tokens that may be masked."""
        from electra_cli.metrics.step import cloze_sums

        return cloze_sums(logs)


class ReplacedTokens(Term):
    """Every token: whether it was replaced (`_get_discriminator_output` of the reference)."""

    names: Mapping[str, str] = {
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
    corpus_only = ("auc_reference", "average_precision", "calibration_error")
    broken_down = "recall"
    output, target = "disc_logits", "disc_labels"
    labels, mask = ("input_mask",), "input_mask"

    def cross_entropy(self, features: Tensors, outputs: Tensors) -> tf.Tensor:
        """Of each position, [B, S]."""
        from electra_cli.modeling.losses import discriminator_cross_entropy

        del features
        return discriminator_cross_entropy(outputs[self.output], outputs[self.target])

    def token_sums(self) -> TokenSums:
        """Sums over the tokens that are not padding."""
        from electra_cli.metrics.tokens import ReplacedTokenSums

        return ReplacedTokenSums()

    def logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `ReplacedTokenSums` reads; [B, S] each."""
        nats = self.cross_entropy(features, outputs)
        copied = {name: outputs[name] for name in ("disc_logits", "disc_labels")}
        return {"disc_cross_entropy": nats} | copied

    def step_sums(self, logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
        """Sums over the tokens that are not padding."""
        from electra_cli.metrics.step import replaced_sums

        return replaced_sums(logs)
