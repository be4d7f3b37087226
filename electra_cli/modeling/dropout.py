"""Dropout whose masks are a function of (seed, step, call, part) and of nothing else."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

# Odd, so that n times either is different for every n below 2**32.
_STRIDES = (0x9E3779B9, 0x85EBCA6B)


class Draw(NamedTuple):
    """One mask: the words that decide it, [3] uint32, and the share of elements it zeroes."""

    key: tf.Tensor
    rate: float


class Places(NamedTuple):
    """Which elements of a share are looked at.

    Attributes:
      parts: Their indices are the sum of these, uint32 of shapes that fit each other; small ones,
        whose sum exists only in `dropped`, behind a number that is no constant.
      size: How many elements the share has, uint32 scalar.
    """

    parts: tuple[tf.Tensor, ...]
    size: tf.Tensor


class Dropout:
    """Gives out the masks of one forward pass, a different one for each call.

    Args:
      seed: The run's seed, scalar integer tensor; None turns dropout off.
      step: The training step, scalar integer tensor.
      part: What else tells passes of one step apart (the micro-batch), scalar integer.
      share: Which of several equal shares of a pass this is, over replicas and their lanes, scalar
        integer: its masks are the share's of the masks of the whole pass.
    """

    def __init__(
        self,
        seed: tf.Tensor | None = None,
        step: tf.Tensor | None = None,
        part: tf.Tensor | int = 0,
        share: tf.Tensor | int = 0,
    ) -> None:
        self._calls = 0
        self._first = None
        if seed is not None:
            key = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64) * 4096])
            key += tf.stack([tf.zeros([], tf.int64), tf.cast(part, tf.int64)])
            words = tf.random.stateless_uniform(
                [2], key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
            )
            self._first = tf.concat([words, [tf.cast(share, tf.uint32)]], axis=0)  # [3]

    def draw(self, rate: float) -> Draw:
        """The next mask."""
        if self._first is None or rate == 0.0:
            return Draw(tf.zeros([3], tf.uint32), 0.0)
        self._calls += 1
        strides = [self._calls * stride % 2**32 for stride in _STRIDES] + [0]
        return Draw(self._first + tf.constant(strides, tf.uint32), rate)


def dropped(
    values: tf.Tensor,
    key: tf.Tensor,
    rate: float,
    places: Places | None = None,
) -> tf.Tensor:
    """Zeroes elements with probability `rate` and scales the others; shape stays.

    The key is two words and the number of the share, whose elements follow those of the share
    before.
    Element i is decided by a hash of (i, key): two rounds of multiplication and shift, each of
    which can be undone, so no index shares its bits with another. (The constants are those of
    Chris Wellons' search for unbiased 32-bit hashes, "lowbias32".) Cheaper than drawing bits
    because nothing is written to memory. Indices begin anew after 2**32 elements.

    Args:
      values: Of any shape.
      key: [3] uint32.
      rate: Of dropout.
      places: Which elements they are; without it all, in row-major order.
    """
    if rate == 0.0:
        return values

    if places is None:
        columns = values.shape[-1]
        size = values.shape.num_elements()
        rows = tf.size(values) // columns if size is None else size // columns
        places = row_major([rows, columns])
    parts, size = places
    bits = functools.reduce(tf.add, parts, key[2] * size) ^ key[0]
    bits = (bits ^ tf.bitwise.right_shift(bits, _word(16))) * _word(0x7FEB352D) + key[1]
    bits = (bits ^ tf.bitwise.right_shift(bits, _word(15))) * _word(0x846CA68B)
    bits = bits ^ tf.bitwise.right_shift(bits, _word(16))
    keep = tf.reshape(bits >= _word(round(rate * 2**32)), tf.shape(values))
    return tf.where(keep, values / (1.0 - rate), 0.0)


def row_major(lengths: Sequence[int | tf.Tensor]) -> Places:
    """All elements of an array.

    Args:
      lengths: Of its axes, each a number or an int32 scalar.

    Returns:
      One part an axis. They are small, since TensorFlow makes constants of them on the host, for
      every mask of a step, before XLA sees it.
    """
    parts: list[tf.Tensor] = []
    size = _word(1)
    for length in reversed(lengths):
        along = tf.bitcast(tf.range(length), tf.uint32) * size  # [length]
        parts.append(tf.reshape(along, [-1] + [1] * len(parts)))  # [length, 1, …]
        size *= _word(length) if isinstance(length, int) else tf.bitcast(length, tf.uint32)
    return Places(tuple(parts), size)


def _word(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)
