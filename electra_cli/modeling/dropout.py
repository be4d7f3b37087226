"""Dropout whose bits are a function of (seed, step, call, replica) and of nothing else."""

from __future__ import annotations

import tensorflow as tf


class Dropout:
    """Draws the dropout masks of one forward pass; the n-th call uses the n-th stream.

    Sixteen random bits decide about an element, which is half the cost of a float and gives the
    rate to within 2**-17.

    Args:
      rate_seed: The run's seed, scalar integer tensor; None turns dropout off.
      step: The training step, scalar integer tensor.
      part: What else tells passes of one step apart (replica and micro-batch), scalar integer.
    """

    def __init__(
        self,
        seed: tf.Tensor | None = None,
        step: tf.Tensor | None = None,
        part: tf.Tensor | int = 0,
    ) -> None:
        self._off = seed is None
        self._calls = 0
        if not self._off:
            self._seed = tf.cast(seed, tf.int64)
            self._step = tf.cast(step, tf.int64)
            self._part = tf.cast(part, tf.int64)

    def __call__(self, values: tf.Tensor, rate: float) -> tf.Tensor:
        """Zeroes elements with probability `rate` and scales the others; shape and dtype stay."""
        if self._off or rate == 0.0:
            return values
        self._calls += 1
        key = tf.stack([self._seed * 4096 + self._calls, self._step * 4096 + self._part])
        size = tf.size(values)
        words = tf.random.stateless_uniform(
            [(size + 1) // 2], key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
        )  # [size / 2]
        bits = tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:size]  # [size]
        threshold = round(rate * 2**16)
        keep = tf.reshape(tf.cast(bits, tf.int32) >= threshold, tf.shape(values))
        scale = 1.0 / (1.0 - threshold / 2**16)
        return values * tf.cast(keep, values.dtype) * tf.cast(scale, values.dtype)
