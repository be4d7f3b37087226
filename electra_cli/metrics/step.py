"""The validation metrics as Keras metrics, for trainers that pass a list of them to every step.

Each keeps sums over tokens, so its result is that of all tokens seen and not a mean of batch means.
Only disc_auc is approximate: it ranks logits in 2**16 bins, of which each holds logits that agree
in their first seven binary digits. `validation.py` has the exact numbers.

Shapes: B rows, S sequence, M masked positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from electra_cli.errors import DataError
from electra_cli.metrics.names import STEP_METRICS
from electra_cli.modeling import losses

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
    """The total loss: both mean losses, weighed."""

    def __init__(self, name: str, weights: tuple[float, float]) -> None:
        super().__init__(name=name, dtype=tf.float32)
        self._parts = [Ratio(f"{name}_{part}") for part in ("generator", "discriminator")]
        self._weights = weights

    def update_state(self, *sums: tuple[tf.Tensor, tf.Tensor]) -> None:
        """Adds (nats, tokens) of the generator and of the discriminator."""
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


def build(generator_weight: float, disc_weight: float) -> list[tf_keras.metrics.Metric]:
    """Fresh metrics under all names of STEP_METRICS.

    Args:
      generator_weight: Weight of the masked-LM loss in the total.
      disc_weight: Weight of the discriminator's loss in the total.
    """
    special: dict[str, tf_keras.metrics.Metric] = {
        "total_loss": WeightedSum("total_loss", (generator_weight, disc_weight)),
        "masked_lm_perplexity": Perplexity("masked_lm_perplexity"),
        "disc_auc": RankingHistogram("disc_auc"),
    }
    return [special.get(name) or Ratio(name) for name in STEP_METRICS]


def token_logs(
    features: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """What the metrics of a step are made of: [B, M] and [B, S] under the names of `validation`."""
    logits = outputs["masked_lm_logits"]  # [B, M, V]
    return {
        "masked_lm_cross_entropy": losses.masked_lm_cross_entropy(
            logits, features["masked_lm_ids"]
        ),
        "masked_lm_ids": tf.cast(features["masked_lm_ids"], tf.int32),
        "masked_lm_predictions": tf.argmax(logits, axis=-1, output_type=tf.int32),  # [B, M]
        "sampled_ids": outputs["sampled_ids"],
        "masked_lm_weights": features["masked_lm_weights"],
        "disc_cross_entropy": losses.discriminator_cross_entropy(
            outputs["disc_logits"], outputs["disc_labels"]
        ),
        "disc_logits": outputs["disc_logits"],
        "disc_labels": outputs["disc_labels"],
        "input_mask": features["input_mask"],
    }


def corpus_logs(
    features: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """All that `validation` wants: MASKED_LM_LOGS, [B, M] each, and DISC_LOGS, [B, S] each."""
    logits = outputs["masked_lm_logits"]  # [B, M, V]
    right = tf.gather(logits, features["masked_lm_ids"][:, :, None], batch_dims=2)  # [B, M, 1]
    return token_logs(features, outputs) | {
        "masked_lm_positions": features["masked_lm_positions"],
        # How many tokens the generator prefers to the original.
        "masked_lm_rank": tf.reduce_sum(tf.cast(logits > right, tf.int32), axis=-1),  # [B, M]
        "input_ids": features["input_ids"],
    }


def update(metrics: Sequence[tf_keras.metrics.Metric], logs: Mapping[str, Any]) -> None:
    """Adds the tokens of one step.

    Args:
      metrics: At least those of `build`; others are left alone.
      logs: What `token_logs` returned.

    Raises:
      DataError: One of the names is missing among the metrics.
    """
    by_name = {metric.name: metric for metric in metrics}
    missing = [name for name in STEP_METRICS if name not in by_name]
    if missing:
        raise DataError(
            f"the metrics {', '.join(sorted(by_name)) or '(none)'} lack {', '.join(missing)}",
            hint="pass what build_metrics() returned, whole",
        )

    used = tf.cast(logs["masked_lm_weights"] > 0, tf.float32)  # [B, M]
    tokens = tf.cast(logs["input_mask"] > 0, tf.float32)  # [B, S]
    replaced = tf.cast(logs["disc_labels"] > 0, tf.float32)  # [B, S]
    predicted = tf.cast(logs["disc_logits"] > 0, tf.float32)  # [B, S]

    def at_masks(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(values, tf.float32) * used)

    def at_tokens(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(values, tf.float32) * tokens)

    masked, count = tf.reduce_sum(used), tf.reduce_sum(tokens)
    masked_nats = at_masks(logs["masked_lm_cross_entropy"])
    disc_nats = at_tokens(logs["disc_cross_entropy"])
    found, named = at_tokens(predicted * replaced), at_tokens(predicted)
    positives = at_tokens(replaced)
    ids = logs["masked_lm_ids"]
    sums = {
        "masked_lm_loss": (masked_nats, masked),
        "masked_lm_perplexity": (masked_nats, masked),
        "masked_lm_accuracy": (at_masks(logs["masked_lm_predictions"] == ids), masked),
        "sampled_masked_lm_accuracy": (at_masks(logs["sampled_ids"] == ids), masked),
        "disc_loss": (disc_nats, count),
        "disc_accuracy": (at_tokens(predicted == replaced), count),
        "disc_precision": (found, named),
        "disc_recall": (found, positives),
        "disc_f1": (2 * found, named + positives),
        "replaced_rate": (positives, count),
    }
    for name, (above, below) in sums.items():
        by_name[name].update_state(above, below)
    by_name["total_loss"].update_state((masked_nats, masked), (disc_nats, count))
    by_name["disc_auc"].update_state(
        tf.reshape(logs["disc_logits"], [-1]),  # [B·S]
        tf.reshape(logs["disc_labels"], [-1]),  # [B·S]
        tf.reshape(logs["input_mask"], [-1]),  # [B·S]
    )
