"""The two losses, as sums over local elements divided by counts of the global batch.

A replica's loss divided by the count over all replicas is its share of the global loss, so the sum
of the replicas' gradients is the gradient of the global batch; a mean of per-replica means is
another number. All in float32.

Shapes: B batch, S sequence, M masked positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from electra_cli.config.schema import ObjectiveConfig
from electra_cli.errors import DataError
from electra_cli.modeling import fused


def global_counts(
    features: Mapping[str, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Masked positions, real tokens and rows of the batch over all replicas; float32 scalars."""
    masked = tf.reduce_sum(tf.cast(features["masked_lm_weights"], tf.float32))
    tokens = tf.reduce_sum(tf.cast(features["input_mask"], tf.float32))
    sequences = tf.cast(tf.shape(features["input_mask"])[0], tf.float32)
    context = tf.distribute.get_replica_context()
    if context is None:  # outside of a strategy's replicas: the batch is the global batch
        return masked, tokens, sequences
    return context.all_reduce(tf.distribute.ReduceOp.SUM, (masked, tokens, sequences))


def masked_lm_cross_entropy(logits: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of each masked position in nats.

    Args:
      logits: [B, M, V] float32.
      ids: [B, M] int32, the original tokens.

    Returns:
      [B, M] float32.
    """
    flat = fused.cross_entropy(
        tf.reshape(logits, [-1, logits.shape[-1]]), tf.cast(tf.reshape(ids, [-1]), tf.int32)
    )  # [B·M]
    return tf.reshape(flat, tf.shape(ids))  # [B, M]


def masked_lm_loss(cross_entropy: tf.Tensor, weights: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Σ w·CE / (Σ w + 1e-6) (run_pretraining.py: `_get_masked_lm_output`).

    Args:
      cross_entropy: [B, M] float32.
      weights: [B, M] float32, 0 for unused slots.
      count: Σ w over the global batch, scalar.

    Returns:
      Scalar float32, this replica's share; 0 for a batch without masked positions.
    """
    return tf.reduce_sum(cross_entropy * weights) / (count + 1e-6)


def discriminator_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of each token in nats; [B, S] logits and labels -> [B, S] float32."""
    labels = tf.cast(labels, tf.float32)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


def discriminator_loss(
    cross_entropy: tf.Tensor, input_mask: tf.Tensor, count: tf.Tensor
) -> tf.Tensor:
    """The mean over all tokens that are not padding (`_get_discriminator_output`).

    Args:
      cross_entropy: [B, S] float32.
      input_mask: [B, S].
      count: Σ input_mask over the global batch, scalar.

    Returns:
      Scalar float32, this replica's share.
    """
    weights = tf.cast(input_mask, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(cross_entropy * weights), count)


def next_sentence_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of each sequence in nats; [B, classes] and [B] -> [B] float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def weighted_losses(
    features: Mapping[str, tf.Tensor],
    outputs: Mapping[str, tf.Tensor],
    counts: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    objective: ObjectiveConfig,
) -> dict[str, tf.Tensor]:
    """The total and its parts, each this replica's share of the global batch's.

    Args:
      features: masked_lm_ids, masked_lm_weights [B, M], input_mask [B, S] and, for a model with
        that head, next_sentence_labels [B].
      outputs: Of the model.
      counts: From `global_counts`.
      objective: The weights of the two losses.

    Returns:
      total_loss, masked_lm_loss, disc_loss and, for a model with that head, next_sentence_loss;
      scalars, float32.
    """
    masked = masked_lm_cross_entropy(
        outputs["masked_lm_logits"], features["masked_lm_ids"]
    )  # [B, M]
    tokens = discriminator_cross_entropy(outputs["disc_logits"], outputs["disc_labels"])  # [B, S]
    found = {
        "masked_lm_loss": masked_lm_loss(masked, features["masked_lm_weights"], counts[0]),
        "disc_loss": discriminator_loss(tokens, features["input_mask"], counts[1]),
    }
    total = objective.generator_weight * found["masked_lm_loss"]
    total += objective.disc_weight * found["disc_loss"]
    if "next_sentence_logits" in outputs:
        labels = require(features, "next_sentence_labels")
        sentences = next_sentence_cross_entropy(outputs["next_sentence_logits"], labels)  # [B]
        found["next_sentence_loss"] = tf.reduce_sum(sentences) / counts[2]
        total += found["next_sentence_loss"]
    return {"total_loss": total} | found


def require(labels: Mapping[str, tf.Tensor], key: str, shape: Any = "[B]") -> tf.Tensor:
    """A label that must be there.

    Raises:
      DataError: It is not.
    """
    if key not in labels:
        raise DataError(
            f"the batch has no {key}, which must be {shape}; it has {', '.join(sorted(labels))}",
            hint="pass the features that the model was called with",
        )
    return tf.convert_to_tensor(labels[key])


def check_labels(labels: Mapping[str, tf.Tensor], outputs: Mapping[str, tf.Tensor]) -> None:
    """Compares the labels with the outputs they belong to, while tracing.

    Raises:
      DataError: A label is missing or has the wrong shape or type.
    """
    masked = outputs["masked_lm_logits"].shape[:2]  # [B, M]
    tokens = outputs["disc_logits"].shape  # [B, S]
    wanted = {"masked_lm_ids": masked, "masked_lm_weights": masked, "input_mask": tokens}
    for key, shape in wanted.items():
        value = require(labels, key, list(shape))
        if not value.shape.is_compatible_with(shape):
            raise DataError(
                f"{key} must be {list(shape)}, as the outputs of the model are, but is "
                f"{list(value.shape)}",
                hint="pass the labels of the batch that the model was called with",
            )
        fits = value.dtype.is_integer or (key != "masked_lm_ids" and value.dtype.is_floating)
        if not fits:
            kind = "integers" if key == "masked_lm_ids" else "numbers"
            raise DataError(
                f"{key} must be {kind}, {list(shape)}, but is {value.dtype.name}",
                hint="pass the labels of the batch that the model was called with",
            )
