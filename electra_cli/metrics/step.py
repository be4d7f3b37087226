"""The validation metrics as Keras metrics, for trainers that pass a list of them to every step.

Each keeps sums over tokens, so its result is that of all tokens seen and not a mean of batch means.
Only disc_auc is approximate: it ranks logits in 2**16 bins, of which each holds logits that agree
in their first seven binary digits. `tokens.py` has the exact numbers.

Shapes: B rows, S sequence, M masked positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

Tensors = Mapping[str, tf.Tensor]

_BINS = 1 << 16


class Ratio(tf_keras.metrics.Metric):
    """A sum over tokens divided by another; NaN if there is nothing below the line."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype=tf.float32)
        # float32 stops counting ones at 2**24.
        self._above = self.add_weight("above", dtype=tf.float64, initializer="zeros")
        self._below = self.add_weight("below", dtype=tf.float64, initializer="zeros")

    def update_state(self, above: tf.Tensor, below: tf.Tensor) -> None:
        """Adds two scalars."""
        self._above.assign_add(tf.cast(above, tf.float64))
        self._below.assign_add(tf.cast(below, tf.float64))

    def result(self) -> tf.Tensor:
        """Scalar float32."""
        return tf.cast(self._above / self._below, tf.float32)


class Perplexity(Ratio):
    """exp of a mean in nats."""

    def result(self) -> tf.Tensor:
        """Scalar float32."""
        return tf.cast(tf.exp(self._above / self._below), tf.float32)


class WeightedSum(tf_keras.metrics.Metric):
    """The total loss: mean losses, weighed."""

    def __init__(self, name: str, weights: Sequence[float]) -> None:
        super().__init__(name=name, dtype=tf.float32)
        self._parts = [Ratio(f"{name}_{number}") for number in range(len(weights))]
        self._weights = weights

    def update_state(self, *sums: tuple[tf.Tensor, tf.Tensor]) -> None:
        """Adds (nats, tokens) of each part."""
        for part, (above, below) in zip(self._parts, sums, strict=True):
            part.update_state(above, below)

    def reset_state(self) -> None:
        """Forgets everything."""
        for part in self._parts:
            part.reset_state()

    def result(self) -> tf.Tensor:
        """Scalar float32."""
        return tf.add_n(
            [
                weight * part.result()
                for weight, part in zip(self._weights, self._parts, strict=True)
            ]
        )


class RankingHistogram(tf_keras.metrics.Metric):
    """ROC AUC of logits; ties and bins count half."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype=tf.float32)
        self._counts = self.add_weight(
            "counts", shape=[2, _BINS], dtype=tf.float64, initializer="zeros"
        )  # [negative and positive, bins]

    def reset_state(self) -> None:
        """Forgets everything; Keras' own sets every variable to a scalar 0."""
        self._counts.assign(tf.zeros_like(self._counts))

    def update_state(self, logits: tf.Tensor, labels: tf.Tensor, mask: tf.Tensor) -> None:
        """Counts tokens; all [N], logits float32."""
        # The bits of a float ascend with it once the sign is turned, and all bits of negatives.
        bits = tf.bitcast(tf.cast(logits, tf.float32), tf.int32)
        ascending = tf.where(bits < 0, ~bits, bits | tf.constant(-(2**31), tf.int32))
        bins = tf.bitwise.right_shift(tf.bitcast(ascending, tf.uint32), tf.constant(16, tf.uint32))
        cells = tf.cast(bins, tf.int32) + _BINS * tf.cast(labels > 0, tf.int32)  # [N]
        counts = tf.math.unsorted_segment_sum(tf.cast(mask > 0, tf.float64), cells, 2 * _BINS)
        self._counts.assign_add(tf.reshape(counts, [2, _BINS]))

    def result(self) -> tf.Tensor:
        """Scalar float32; NaN without positives or without negatives."""
        negatives, positives = tf.unstack(tf.convert_to_tensor(self._counts))  # [bins] each
        below = tf.cumsum(negatives) - negatives / 2  # [bins]
        pairs = tf.reduce_sum(negatives) * tf.reduce_sum(positives)
        return tf.cast(tf.reduce_sum(positives * below) / pairs, tf.float32)


def metric(key: str, name: str) -> tf_keras.metrics.Metric:
    """A fresh metric.

    Args:
      key: What `tokens.TokenSums.result` calls it, which decides how it is computed.
      name: What it is called.
    """
    kinds = {"perplexity": Perplexity, "auc": RankingHistogram}
    return kinds.get(key, Ratio)(name)


def masked_sums(
    logs: Tensors, *, sampled: bool, predicted: bool = True
) -> dict[str, tuple[tf.Tensor, ...]]:
    """(above, below) of ratios over masked tokens, from [B, M] arrays.

    The arguments are those of `tokens.MaskedTokenSums`, which reads the same arrays.
    """
    used = tf.cast(logs["masked_lm_weights"] > 0, tf.float32)  # [B, M]
    count, ids = tf.reduce_sum(used), logs["masked_lm_ids"]

    def over(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.reduce_sum(tf.cast(values, tf.float32) * used), count

    nats = over(logs["masked_lm_cross_entropy"])
    sums = {"loss": nats, "perplexity": nats}
    if predicted:
        sums["accuracy"] = over(logs["masked_lm_predictions"] == ids)
    return sums | ({"sampled_accuracy": over(logs["sampled_ids"] == ids)} if sampled else {})


def cloze_sums(logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
    """(above, below) of ratios over the tokens that may be masked, from [B, S] arrays."""
    used = tf.cast(logs["cloze_weights"] > 0, tf.float32)  # [B, S]
    count = tf.reduce_sum(used)
    nats = tf.reduce_sum(logs["cloze_cross_entropy"] * used), count
    correct = tf.reduce_sum(logs["cloze_is_best"] * used), count
    return {"loss": nats, "perplexity": nats, "accuracy": correct}


def replaced_sums(logs: Tensors) -> dict[str, tuple[tf.Tensor, ...]]:
    """(above, below) of ratios over tokens, and what is ranked, from [B, S] arrays."""
    tokens = tf.cast(logs["input_mask"] > 0, tf.float32)  # [B, S]
    replaced = tf.cast(logs["disc_labels"] > 0, tf.float32)  # [B, S]
    predicted = tf.cast(logs["disc_logits"] > 0, tf.float32)  # [B, S]

    def over(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(values, tf.float32) * tokens)

    count, found = tf.reduce_sum(tokens), over(predicted * replaced)
    named, positives = over(predicted), over(replaced)
    ranked = ("disc_logits", "disc_labels", "input_mask")
    return {
        "loss": (over(logs["disc_cross_entropy"]), count),
        "accuracy": (over(predicted == replaced), count),
        "precision": (found, named),
        "recall": (found, positives),
        "f1": (2 * found, named + positives),
        "replaced_rate": (positives, count),
        "auc": tuple(tf.reshape(logs[name], [-1]) for name in ranked),  # [B·S] each
    }
