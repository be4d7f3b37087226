"""Rows that are picked from a table or a sequence, and gradients that always add up to the same.

On a GPU the rows of a gradient are added where they belong by whoever comes first, so sums of
float32 differ from run to run, or XLA sorts all of their elements before it adds. Steps that are
compiled as a whole have neither here.

Shapes: V vocabulary, E embedding, N picked rows (usually B·S), B batch, S sequence, M positions of
a row, D hidden.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from electra_cli.modeling.fused import is_compiled_as_a_whole

# Of float32: bits behind the exponent, what is added to it, and the largest one of a number.
_FRACTION_BITS, _BIAS, _LARGEST = 23, 127, 126
_SUM_BITS = 60  # sums of int64 stay below 2**60, and what rounding adds below 2**63


def rows_of(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """The rows of a table; [V, E] float32 and int32 of any shape […] -> […, E]."""

    @tf.custom_gradient
    def differentiable(table: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            rows = tf.reshape(upstream, [-1, table.shape[1]])  # [N, E]
            return sums_of_rows(rows, tf.reshape(ids, [-1]), table.shape[0])  # [V, E]

        return tf.gather(table, ids), gradient

    if is_compiled_as_a_whole():
        return differentiable(tf.convert_to_tensor(table))
    return tf.gather(table, ids)


def sums_of_rows(rows: tf.Tensor, ids: tf.Tensor, count: int) -> tf.Tensor:
    """Adds up the rows of each id, the same to the last bit in whatever order.

    The rows become integers of 64 bits, in units of a power of two for which the sum of all their
    absolute values is still below 2**60. Half a unit is less than a sum in float32 loses: 2**-36 of
    the mean for 2**24 elements.

    Args:
      rows: [N, E] float32; one that is not finite makes all sums NaN.
      ids: [N] int32 below `count`.
      count: V.

    Returns:
      [V, E] float32.
    """
    total = tf.reduce_sum(tf.abs(rows))
    bits = tf.bitcast(total, tf.int32)  # total < 2 ** (exponent + 1)
    exponent = tf.bitwise.right_shift(bits, _FRACTION_BITS) - _BIAS
    power = tf.minimum(_SUM_BITS - 1 - exponent, _LARGEST)
    whole = tf.cast(tf.round(rows * _power_of_two(power)), tf.int64)  # [N, E]
    sums = tf.math.unsorted_segment_sum(whole, ids, count)  # [V, E]
    unit = tf.where(tf.math.is_finite(total), _power_of_two(-power), float("nan"))
    return tf.cast(sums, tf.float32) * unit


def _power_of_two(power: tf.Tensor) -> tf.Tensor:
    """2**power, exactly; int32 from -126 to 127 -> float32."""
    return tf.bitcast(tf.bitwise.left_shift(power + _BIAS, _FRACTION_BITS), tf.float32)


def rows_at(values: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """The rows of each sequence at its positions; [B, S, D] and [B, M] int32 -> [B, M, D].

    In a step that is compiled as a whole its gradient is a product.
    """

    @tf.custom_gradient
    def differentiable(values: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            places = tf.one_hot(positions, values.shape[1], dtype=upstream.dtype)  # [B, M, S]
            return tf.matmul(places, upstream, transpose_a=True)  # [B, S, D]

        return tf.gather(values, positions, batch_dims=1), gradient  # [B, M, D]

    if is_compiled_as_a_whole():
        return differentiable(values)
    return tf.gather(values, positions, batch_dims=1)  # [B, M, D]
