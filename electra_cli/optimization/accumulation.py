"""A batch in parts, so that only one part's activations are in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def accumulate(
    forward_backward: Any,
    features: Mapping[str, tf.Tensor],
    parts: int,
    variables: list[tf.Variable],
    names: list[str],
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Sums gradients and losses over equal parts of a batch, one part in memory at a time.

    Args:
      forward_backward: Gradients and named losses of a part, from its number and its features.
      features: Tensors whose first axis is the batch.
      parts: How many.
      variables: What the gradients belong to.
      names: Of the losses.
    """
    size = next(iter(features.values())).shape[0] // parts

    def body(part: tf.Tensor, sums: Any, found: Any) -> Any:
        batch = {key: value[part * size : (part + 1) * size] for key, value in features.items()}
        batch = {
            key: tf.ensure_shape(value, [size, *features[key].shape[1:]])
            for key, value in batch.items()
        }  # [B / parts, ...]
        gradients, losses_ = forward_backward(part, batch)
        sums = [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
        return part + 1, sums, [total + losses_[n] for total, n in zip(found, names, strict=True)]

    zeros = [tf.zeros(v.shape, tf.float32) for v in variables]
    _, sums, found = tf.while_loop(
        lambda part, *_: part < parts,
        body,
        (tf.zeros([], tf.int32), zeros, [tf.zeros([])] * len(names)),
    )
    return list(sums), dict(zip(names, found, strict=True))
