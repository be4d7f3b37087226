"""The small parts of the networks: dense, LayerNorm, activation, and how variables begin.

Parameters are float32 whatever the compute type; matmuls run in the type of their input, the
statistics of LayerNorm in float32. Activations are two-dimensional, [B·S, D], because that is the
shape in which oneDNN's bfloat16 matmuls are reached.

Shapes: N rows (usually B·S), I and O inputs and outputs of a dense layer, D hidden.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import tensorflow as tf

Initializer = Callable[[list[int], str], tf.Tensor]

_LAYER_NORM_EPSILON = 1e-12  # of tf.contrib's layer_norm, which the reference uses


def truncated_normal(stddev: float, seed: int) -> Initializer:
    """The reference's initialiser: a normal distribution cut at two standard deviations.

    Each variable draws with its own name as part of the key, so the weights at step 0 depend on
    the seed alone and not on the order in which variables are made.
    """

    def initialize(shape: list[int], name: str) -> tf.Tensor:
        key = [seed, zlib.crc32(name.encode())]
        return stddev * tf.random.stateless_truncated_normal(shape, key, alg="philox")

    return initialize


def glorot_uniform(seed: int) -> Initializer:
    """What TensorFlow gives a kernel without an initialiser, as two of the reference's have."""

    def initialize(shape: list[int], name: str) -> tf.Tensor:
        limit = (6.0 / (shape[0] + shape[1])) ** 0.5
        key = [seed, zlib.crc32(name.encode())]
        return tf.random.stateless_uniform(shape, key, -limit, limit, alg="philox")

    return initialize


def gelu(values: tf.Tensor) -> tf.Tensor:
    """GELU with the error function (modeling.py: `gelu`), not the tanh approximation."""
    return tf.nn.gelu(values, approximate=False)


class Dense(tf.Module):
    """x·W + b in the type of x.

    Args:
      inputs: I.
      outputs: O.
      initializer: Makes the kernel; the bias begins at zero.
      name: Prefix of the variables' names, in the reference's words.
    """

    def __init__(self, inputs: int, outputs: int, initializer: Initializer, name: str) -> None:
        super().__init__()
        kernel = f"{name}/kernel"
        self.kernel = tf.Variable(initializer([inputs, outputs], kernel), name=kernel)  # [I, O]
        self.bias = tf.Variable(tf.zeros([outputs]), name=f"{name}/bias")  # [O]

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[N, I] -> [N, O]."""
        product = tf.matmul(values, tf.cast(self.kernel, values.dtype))  # [N, O]
        return product + tf.cast(self.bias, values.dtype)


class LayerNorm(tf.Module):
    """Layer normalisation over the last axis, statistics in float32."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__()
        self.gamma = tf.Variable(tf.ones([size]), name=f"{name}/LayerNorm/gamma")  # [D]
        self.beta = tf.Variable(tf.zeros([size]), name=f"{name}/LayerNorm/beta")  # [D]

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[N, D] -> [N, D] in the type of the input."""
        exact = tf.cast(values, tf.float32)
        mean, variance = tf.nn.moments(exact, axes=[-1], keepdims=True)  # [N, 1] each
        scale = tf.math.rsqrt(variance + _LAYER_NORM_EPSILON) * self.gamma  # [N, D]
        return tf.cast((exact - mean) * scale + self.beta, values.dtype)
