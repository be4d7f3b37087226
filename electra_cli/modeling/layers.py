"""The small parts of the networks: dense, LayerNorm, and how variables begin.

Parameters are float32 whatever the compute type; matmuls run in the type of their input.
Activations are two-dimensional, [B·S, D], because that is the shape in which oneDNN's bfloat16
matmuls are reached.

Shapes: N rows (usually B·S), I and O inputs and outputs of a dense layer, D hidden.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import tensorflow as tf

from electra_cli.modeling import fused
from electra_cli.modeling.dropout import Draw, Dropout

Initializer = Callable[[list[int], str], tf.Tensor]


def length_of(values: tf.Tensor, axis: int = 1) -> int | tf.Tensor:
    """The size of an axis, S of [B, S]: a number if known while tracing, else a scalar tensor."""
    return values.shape[axis] if values.shape[axis] is not None else tf.shape(values)[axis]


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
        kernel = tf.cast(self.kernel, values.dtype)  # [I, O]
        return fused.affine(values, kernel, tf.cast(self.bias, values.dtype))  # [N, O]


class LayerNorm(tf.Module):
    """Scale and offset of a layer normalisation over the last axis, with the dropout beside it."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__()
        self.gamma = tf.Variable(tf.ones([size]), name=f"{name}/LayerNorm/gamma")  # [D]
        self.beta = tf.Variable(tf.zeros([size]), name=f"{name}/LayerNorm/beta")  # [D]

    def __call__(self, values: tf.Tensor, draw: Draw | None = None) -> tf.Tensor:
        """LayerNorm(values), and with a draw the dropout of it; [N, D] -> [N, D]."""
        draw = draw or Dropout().draw(0.0)
        return fused.layer_norm_dropout(values, self.gamma, self.beta, draw.key, rate=draw.rate)

    def of_sum(self, residual: tf.Tensor, values: tf.Tensor, draw: Draw) -> tf.Tensor:
        """LayerNorm(residual + dropout(values)); [N, D] each -> [N, D]."""
        return fused.dropout_add_layer_norm(
            values, residual, self.gamma, self.beta, draw.key, rate=draw.rate
        )
