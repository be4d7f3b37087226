"""Philox-4x32-10, one independent stream for each row of a batch.

TensorFlow's stateless random ops take one key for a whole tensor. Masks and sampled tokens have to
be a function of the example alone, whatever batch or replica it is in, so each row needs a counter
of its own. This is the same generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1,
2, 3") written over vectors: with one row its bits are those of TensorFlow's own op under
`alg="philox"`, which a test compares.

Shapes: B rows, N numbers a row.
"""

from __future__ import annotations

import tensorflow as tf

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF


def _multiply(value: tf.Tensor, factor: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the high and the low 32 bits of a 32 x 32 bit product (uint64 in, uint64 out)."""
    product = value * tf.constant(factor, tf.uint64)
    return tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), _low_bits(product)


def _low_bits(value: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_and(value, tf.constant(_LOW, tf.uint64))


def random_bits(
    *, seed: tf.Tensor, step: tf.Tensor, examples: tf.Tensor, stream: int, count: int
) -> tf.Tensor:
    """Random 32-bit integers for each example.

    Args:
      seed: The run's seed; its low 32 bits are one half of the key. Scalar integer.
      step: The training step; its low 32 bits are the other half. Scalar or [B] integer.
      examples: Global example indices, the upper half of the counter. [B] int64.
      stream: What the numbers are for; different streams never share numbers.
      count: How many numbers each row gets, N.

    Returns:
      [B, N] uint32, each uniform over all 32-bit values.
    """
    rows = tf.shape(examples)[0]
    blocks = -(-count // 4)
    shape = tf.stack([rows, blocks])
    example = tf.broadcast_to(tf.cast(examples, tf.uint64)[:, None], shape)  # [B, N/4]
    step = tf.reshape(tf.cast(step, tf.uint64), [-1, 1])  # [1, 1] or [B, 1]
    key = (
        _low_bits(tf.cast(seed, tf.uint64)),
        _low_bits(tf.broadcast_to(step, shape)),  # [B, N/4]
    )
    counter = [
        tf.broadcast_to(tf.cast(tf.range(blocks), tf.uint64)[None, :], shape),  # [B, N/4]
        tf.fill(shape, tf.constant(stream, tf.uint64)),  # [B, N/4]
        _low_bits(example),
        tf.bitwise.right_shift(example, tf.constant(32, tf.uint64)),
    ]
    for round_ in range(_ROUNDS):
        high_0, low_0 = _multiply(counter[0], _MULTIPLIERS[0])
        high_1, low_1 = _multiply(counter[2], _MULTIPLIERS[1])
        weyl = [tf.constant((round_ * w) & _LOW, tf.uint64) for w in _WEYL]
        counter = [
            tf.bitwise.bitwise_xor(
                tf.bitwise.bitwise_xor(high_1, counter[1]), _low_bits(key[0] + weyl[0])
            ),
            low_1,
            tf.bitwise.bitwise_xor(
                tf.bitwise.bitwise_xor(high_0, counter[3]), _low_bits(key[1] + weyl[1])
            ),
            low_0,
        ]
    bits = tf.stack([tf.cast(word, tf.uint32) for word in counter], axis=-1)  # [B, N/4, 4]
    return tf.reshape(bits, [rows, blocks * 4])[:, :count]  # [B, N]


def uniform(bits: tf.Tensor) -> tf.Tensor:
    """Turns 32-bit integers into float32 in [0, 1): the upper 24 bits, each value exact."""
    upper = tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32))
    return tf.cast(upper, tf.float32) * (2.0**-24)


def integer_below(bits: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
    """Turns 32-bit integers into integers in [0, bound); int32, the shape of `bits`.

    Args:
      bits: [B, N] uint32.
      bound: [B] int32, at least 1 where the result matters.
    """
    product = tf.cast(bits, tf.uint64) * tf.cast(bound, tf.uint64)[:, None]  # [B, N]
    return tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), tf.int32)


def integer(bits: tf.Tensor) -> tf.Tensor:
    """Turns 32-bit integers into int32 of at least 0: a bit less, so that -1 stands below all."""
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(1, tf.uint32)), tf.int32)
