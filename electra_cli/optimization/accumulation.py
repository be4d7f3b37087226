"""A batch in equal parts: one after the other to save memory, or side by side to save time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Found = tuple[list[tf.Tensor], dict[str, tf.Tensor]]  # gradients of all variables, named losses


def take_part(
    features: Mapping[str, tf.Tensor], part: tf.Tensor | int, parts: int
) -> dict[str, tf.Tensor]:
    """One of several equal parts of a batch; [B, ...] each -> [B / parts, ...]."""
    size = next(iter(features.values())).shape[0] // parts
    # A slice from a start to an end that are both computed has no size that XLA could know.
    return {
        key: tf.slice(value, [part * size, *[0] * (value.shape.rank - 1)], [size, *value.shape[1:]])
        for key, value in features.items()
    }


def side_by_side(
    function: Callable[[tf.Tensor, dict[str, tf.Tensor]], Any],
    features: Mapping[str, tf.Tensor],
    lanes: int,
) -> list[Any]:
    """Calls a function for equal parts of a batch, which nothing keeps from running at once.

    Args:
      function: Of the number of a lane and its features; traced once.
      features: Tensors whose first axis is the batch; its size must be known for several lanes.
      lanes: How many parts.
    """
    if lanes == 1:
        return [function(tf.constant(0), dict(features))]
    traced = tf.function(function, autograph=False)
    return [traced(tf.constant(n), take_part(features, n, lanes)) for n in range(lanes)]


def sum_of_lanes(
    forward_backward: Callable[[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]], Found],
    part: tf.Tensor,
    features: Mapping[str, tf.Tensor],
    *,
    lanes: int,
) -> Found:
    """Sums gradients and losses over lanes that run side by side.

    Args:
      forward_backward: Of the number of a part, the number of a lane, and its features.
      part: The number of the part.
      features: Of the part, all lanes.
      lanes: How many.
    """
    of_part = functools.partial(forward_backward, part)
    gradients, found = zip(*side_by_side(of_part, features, lanes), strict=True)
    summed = [tf.add_n(list(of_variable)) for of_variable in zip(*gradients, strict=True)]
    return summed, {name: tf.add_n([of[name] for of in found]) for name in found[0]}


def accumulate(
    forward_backward: Callable[[tf.Tensor, Mapping[str, tf.Tensor]], Found],
    features: Mapping[str, tf.Tensor],
    parts: int,
    variables: Sequence[tf.Variable],
    names: Sequence[str],
) -> Found:
    """Sums gradients and losses over equal parts of a batch, one part in memory at a time.

    Args:
      forward_backward: Gradients and named losses of a part, from its number and its features.
      features: Tensors whose first axis is the batch.
      parts: How many.
      variables: What the gradients belong to.
      names: Of the losses.
    """
    if parts == 1:
        return forward_backward(tf.zeros([], tf.int32), features)

    def body(part: tf.Tensor, sums: Any, found: Any) -> Any:
        gradients, losses = forward_backward(part, take_part(features, part, parts))
        sums = [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
        return part + 1, sums, [total + losses[n] for total, n in zip(found, names, strict=True)]

    zeros = [tf.zeros(v.shape, tf.float32) for v in variables]
    _, sums, found = tf.while_loop(
        lambda part, *_: part < parts,
        body,
        (tf.zeros([], tf.int32), zeros, [tf.zeros([])] * len(names)),
    )
    return list(sums), dict(zip(names, found, strict=True))
