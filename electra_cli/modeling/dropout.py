"""Dropout whose masks are a function of (seed, step, call, part) and of nothing else."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

# Odd, so that n times either is different for every n below 2**32.
_STRIDES = (0x9E3779B9, 0x85EBCA6B)


class Draw(NamedTuple):
    """One mask: the words that decide it, [3] uint32, and the share of elements it zeroes."""

    key: tf.Tensor
    rate: float


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
