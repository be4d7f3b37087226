"""Losses as sums over local elements divided by counts of the global batch.

A replica's loss divided by the count over all replicas is its share of the global loss, so the sum
of the replicas' gradients is the gradient of the global batch; a mean of per-replica means is
another number. All in float32.

Shapes: B batch, S sequence, M masked positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from electra_cli.errors import DataError
from electra_cli.modeling import fused


def total_of(values: tf.Tensor) -> tf.Tensor:
    """The sum of all elements, also of weights or a mask of another type; scalar float32."""
    return tf.reduce_sum(tf.cast(values, tf.float32))


def over_replicas(counts: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Sums counts over all replicas; outside of a strategy's replicas they are the global ones."""
    context = tf.distribute.get_replica_context()
    return counts if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, counts)


def mean(total: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """A replica's share of a mean over the global batch, divided as the reference divides.

    Args:
      total: Sum over the elements of this replica, scalar.
      count: How many elements the global batch has, scalar; the mean of none is 0.
    """
    return total / (count + 1e-6)


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


def discriminator_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of each token in nats; [B, S] logits and labels -> [B, S] float32."""
    labels = tf.cast(labels, tf.float32)
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


def next_sentence_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of each sequence in nats; [B, classes] and [B] -> [B] float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


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


def check_labels(
    labels: Mapping[str, tf.Tensor], names: Sequence[str], shape: tf.TensorShape
) -> None:
    """Compares labels with the output they belong to, while tracing.

    Args:
      labels: Of a batch.
      names: Those to look at; _ids must be integers, the others numbers.
      shape: Of the output's elements.

    Raises:
      DataError: A label is missing or has the wrong shape or type.
    """
    for key in names:
        value = require(labels, key, list(shape))
        kind = "integers" if key.endswith("_ids") else "numbers"
        if not value.shape.is_compatible_with(shape):
            fault = f"{list(shape)}, as the outputs of the model are, but is {list(value.shape)}"
        elif not (value.dtype.is_integer or (kind == "numbers" and value.dtype.is_floating)):
            fault = f"{kind}, {list(shape)}, but is {value.dtype.name}"
        else:
            continue
        raise DataError(
            f"{key} must be {fault}",
            hint="pass the labels of the batch that the model was called with",
        )
