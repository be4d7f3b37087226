"""Element-wise chains as single kernels, and the affine map between them.

TensorFlow's executor runs a chain such as LayerNorm one operation after the other, and each reads
and writes the whole activation; on a CPU that costs more time than the matmuls. Each function here
is compiled by XLA into one pass, its gradient too, while matmuls stay outside, where oneDNN's
kernels do them. Statistics, exponentials and sums are float32 whatever the type of the input.

Within `plain_operations` they are ordinary operations instead, for a compiler of whole steps.

Shapes: N rows (usually B·S), I and O inputs and outputs of a dense layer, D hidden, B batch,
S sequence, V vocabulary, C columns of it, K starts.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.python.xla import optimization_barrier
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from electra_cli.environment import cpu_flags
from electra_cli.modeling.dropout import dropped

_LAYER_NORM_EPSILON = 1e-12  # of tf.contrib's layer_norm, which the reference uses
VOCABULARY_COLUMNS = 256  # of `column_weights`
_COMPILES_PRODUCTS = "avx512f" not in cpu_flags()

_plain: contextvars.ContextVar[bool] = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_operations() -> Iterator[None]:
    """Within it networks are traced as ordinary operations, without what is made for a CPU.

    For graphs that must run where there is no XLA, such as an exported model, and for steps that
    XLA compiles as a whole, whose gradients have to be asked for within it too.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    """Whether operations are traced within `plain_operations`."""
    return _plain.get()


def is_compiled_as_a_whole() -> bool:
    """Whether what is traced is part of a function that XLA compiles, without pieces in it."""
    return is_plain() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def fused(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Compiles a function of tensors, and its gradient, which computes the forward pass again.

    Computing it again costs less than writing what lies between to memory and reading it back. In
    a step that is compiled as a whole a barrier keeps the second pass apart from the first, which
    XLA would otherwise find to be the same, and keep all its float32 values for.
    Positional arguments are tensors, of which those of a floating type have a gradient; keyword
    arguments are constants.
    """

    def derived(inputs: list[tf.Tensor], upstream: tf.Tensor, **constants: Any) -> list[tf.Tensor]:
        floats = [tensor for tensor in inputs if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            output = function(*inputs, **constants)
        return tape.gradient(output, floats, upstream)

    forward = tf.function(function, jit_compile=True, autograph=False)
    backward = tf.function(derived, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*inputs: tf.Tensor, **constants: Any) -> tf.Tensor:
        is_inline = is_compiled_as_a_whole()
        if is_plain() and not is_inline:
            return function(*inputs, **constants)

        @tf.custom_gradient
        def differentiable(*tensors: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
                if is_inline:
                    found = iter(derived(*_apart(tensors, upstream), **constants))
                else:
                    found = iter(backward(list(tensors), upstream, **constants))
                return [next(found) if t.dtype.is_floating else None for t in tensors]

            return (function if is_inline else forward)(*tensors, **constants), gradient

        return differentiable(*(tf.convert_to_tensor(tensor) for tensor in inputs))

    return call


def _apart(
    tensors: tuple[tf.Tensor, ...], upstream: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Inputs and upstream gradient behind a barrier.

    But for integers: what follows from them alone, such as the mask of dropout, is made once, and
    takes a byte an element.
    """
    floats = [tensor for tensor in tensors if tensor.dtype.is_floating]
    *floats, upstream = optimization_barrier(*floats, upstream)
    found = iter(floats)
    return [next(found) if t.dtype.is_floating else t for t in tensors], upstream


def recomputed(function: Callable[..., tf.Tensor], *tensors: tf.Tensor) -> tf.Tensor:
    """A function of which nothing but its inputs is kept for its gradient, which calls it again.

    The second pass hangs on the gradient that comes in: it does not begin before it is needed, and
    neither TensorFlow nor XLA finds it to be the first one. What goes on to the layer before waits
    for the gradients of variables: a thread that is alone with a step would leave all of these to
    the end, and keep what they are made of.

    Args:
      function: Of the tensors; it may have variables, and gives the same for the same tensors.
      tensors: Those of a floating type have a gradient; the others go along so that what follows
        from them, such as the mask of dropout, is not kept either.

    Returns:
      What the function returns.
    """

    @tf.custom_gradient
    def differentiable(*tensors: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor, variables: Sequence[tf.Variable] = ()) -> Any:
            inputs = _behind(tensors, [upstream])
            floats = [tensor for tensor in inputs if tensor.dtype.is_floating]
            with tf.GradientTape() as tape:
                tape.watch(floats)
                output = function(*inputs)
            found = tape.gradient(output, [*floats, *variables], upstream)
            of_variables = found[len(floats) :]
            of_floats = iter(_behind(found[: len(floats)], of_variables))
            of_tensors = [next(of_floats) if t.dtype.is_floating else None for t in inputs]
            return (of_tensors, of_variables) if variables else of_tensors

        return function(*tensors), gradient

    if is_plain() and not is_compiled_as_a_whole():
        return function(*tensors)
    return differentiable(*tensors)


def _behind(tensors: Sequence[tf.Tensor], first: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Tensors that are there when others are, and that no compiler takes for the former ones."""
    if is_compiled_as_a_whole():
        return list(optimization_barrier(*tensors, *first))[: len(tensors)]
    with tf.control_dependencies(first):
        return [tf.identity(tensor) for tensor in tensors]


def compiled(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Compiles a function of tensors that has no gradient."""
    kernel = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*inputs: tf.Tensor) -> tf.Tensor:
        return function(*inputs) if is_plain() else kernel(*inputs)

    return call


@compiled
def _transposed_product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """leftᵀ·right; [N, I] and [N, O] -> [I, O]."""
    return tf.matmul(left, right, transpose_a=True)  # [I, O]


def affine(values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """values·kernel + bias; [N, I], [I, O] and [O] -> [N, O], all of one type.

    Its gradient sums over rows by a product with ones, several times faster than TensorFlow's
    reduction over the first axis. In float32 on processors without AVX512 the kernel's gradient is
    compiled: there XLA's product is up to 1.7 times as fast as oneDNN's.
    """

    @tf.custom_gradient
    def differentiable(values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            if values.dtype == tf.float32 and _COMPILES_PRODUCTS:
                kernel_gradient = _transposed_product(values, upstream)  # [I, O]
            else:
                kernel_gradient = tf.matmul(values, upstream, transpose_a=True)  # [I, O]
            ones = tf.ones_like(upstream[:, :1])  # [N, 1]
            return (
                tf.matmul(upstream, kernel, transpose_b=True),  # [N, I]
                kernel_gradient,
                tf.matmul(ones, upstream, transpose_a=True)[0],  # [O]
            )

        return tf.nn.bias_add(tf.matmul(values, kernel), bias), gradient  # [N, O]

    if is_plain():
        return tf.nn.bias_add(tf.matmul(values, kernel), bias)  # [N, O]
    return differentiable(values, kernel, bias)


def _normalized(exact: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """LayerNorm over the last axis; [N, D] float32 -> [N, D] float32.

    In a step that is compiled as a whole the gradient of `exact` is written once, in `dtype`,
    whoever reads it.
    """

    def parts(exact: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        centred = exact - tf.reduce_mean(exact, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)  # [N, 1]
        return centred, tf.math.rsqrt(variance + _LAYER_NORM_EPSILON)

    @tf.custom_gradient
    def differentiable(exact: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
        centred, scale = parts(exact)
        standard = centred * scale  # [N, D]

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # Two sums over a row that do not wait for each other, where the gradient that
            # TensorFlow derives has one sum behind the other, and an array written for each.
            scaled = upstream * gamma  # [N, D]
            mean = tf.reduce_mean(scaled, axis=-1, keepdims=True)  # [N, 1]
            along = tf.reduce_mean(scaled * standard, axis=-1, keepdims=True)  # [N, 1]
            of_exact = scale * (scaled - mean - standard * along)  # [N, D]
            [narrow] = optimization_barrier(tf.cast(of_exact, dtype))
            return (
                tf.cast(narrow, tf.float32),
                tf.reduce_sum(upstream * standard, axis=0),  # [D]
                tf.reduce_sum(upstream, axis=0),  # [D]
            )

        return standard * gamma + beta, gradient

    if is_compiled_as_a_whole():
        return differentiable(exact, gamma, beta)
    centred, scale = parts(exact)
    return centred * scale * gamma + beta


def _activated(exact: tf.Tensor) -> tf.Tensor:
    return 0.5 * exact * (1.0 + tf.math.erf(exact * 0.5**0.5))


@fused
def dropout_of(values: tf.Tensor, key: tf.Tensor, *, rate: float) -> tf.Tensor:
    """`dropped` by itself; the shape and the type stay."""
    return tf.cast(dropped(tf.cast(values, tf.float32), key, rate), values.dtype)


@fused
def gelu(values: tf.Tensor) -> tf.Tensor:
    """GELU with the error function (modeling.py: `gelu`), not the tanh approximation."""
    return tf.cast(_activated(tf.cast(values, tf.float32)), values.dtype)


@compiled
def pair_scores(left: tf.Tensor, right: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Σₙ wₙ · gelu(left + right)ₙ of every pair, none of which is written to memory.

    What is summed comes first, for the reason given at `attention.weights_by_key`.

    Args:
      left: [B, K, N].
      right: [B, S, N], of the same type.
      weights: [N] float32.

    Returns:
      [B, K, S] float32.
    """
    left = tf.transpose(tf.cast(left, tf.float32), [2, 0, 1])[:, :, :, None]  # [N, B, K, 1]
    right = tf.transpose(tf.cast(right, tf.float32), [2, 0, 1])[:, :, None]  # [N, B, 1, S]
    activated = _activated(left + right)  # [N, B, K, S]
    return tf.reduce_sum(activated * weights[:, None, None, None], axis=0)  # [B, K, S]


@fused
def layer_norm_dropout(
    values: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, key: tf.Tensor, *, rate: float
) -> tf.Tensor:
    """dropout(LayerNorm(values)); [N, D] -> [N, D] in the type of the input."""
    normalized = _normalized(tf.cast(values, tf.float32), gamma, beta, values.dtype)
    return tf.cast(dropped(normalized, key, rate), values.dtype)


@fused
def dropout_add_layer_norm(
    values: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    key: tf.Tensor,
    *,
    rate: float,
) -> tf.Tensor:
    """LayerNorm(residual + dropout(values)); all [N, D] in the type of `values`."""
    exact = dropped(tf.cast(values, tf.float32), key, rate) + tf.cast(residual, tf.float32)
    return tf.cast(_normalized(exact, gamma, beta, values.dtype), values.dtype)


@compiled
def column_weights(logits: tf.Tensor, highest: tf.Tensor) -> tf.Tensor:
    """Sums of exp(logits - highest) over the tokens of one column.

    Token i is in column i modulo C, with C = 256 or the size of a smaller vocabulary, so that the
    sums run over an axis that is not the last one.

    Args:
      logits: [N, V] float32.
      highest: [N, 1], the largest of each row.

    Returns:
      [N, C] float32.
    """
    vocab_size = logits.shape[-1]
    columns = min(VOCABULARY_COLUMNS, vocab_size)
    whole = vocab_size - vocab_size % columns
    table = tf.reshape(logits[:, :whole], [-1, whole // columns, columns])  # [N, V // C, C]
    sums = tf.reduce_sum(tf.exp(table - highest[:, :, None]), axis=1)  # [N, C]
    rest = tf.exp(logits[:, whole:] - highest)  # [N, V modulo C]
    return sums + tf.pad(rest, [[0, 0], [0, columns - vocab_size % columns]])  # [N, C]


def biased_logits(product: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """product + bias; [N, V] in the compute type and [V] float32 -> [N, V] float32.

    In a step that is compiled as a whole the gradient exists in the compute type alone, and the
    one of the bias is its sum: none of the size of the product is written in float32.
    """

    @tf.custom_gradient
    def differentiable(product: tf.Tensor, bias: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            narrow = tf.cast(upstream, product.dtype)  # [N, V]
            return narrow, tf.reduce_sum(tf.cast(narrow, tf.float32), axis=0)  # [V]

        return tf.cast(product, tf.float32) + bias, gradient

    if is_compiled_as_a_whole():
        return differentiable(product, bias)
    return tf.cast(product, tf.float32) + bias


@compiled
def cross_entropy_gradient(
    logits: tf.Tensor, ids: tf.Tensor, normalizer: tf.Tensor, upstream: tf.Tensor
) -> tf.Tensor:
    """(softmax(logits) - one-hot(ids)) · upstream; [N, V], [N], [N, 1], [N] -> [N, V]."""
    chosen = tf.range(tf.shape(logits)[-1]) == ids[:, None]  # [N, V]
    return (tf.exp(logits - normalizer) - tf.cast(chosen, tf.float32)) * upstream[:, None]


@tf.custom_gradient
def cross_entropy(logits: tf.Tensor, ids: tf.Tensor) -> Any:
    """-log softmax(logits)[ids] in nats; [N, V] float32 and [N] int32 -> [N] float32."""
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)  # [N, 1]
    total = tf.reduce_sum(column_weights(logits, highest), axis=-1, keepdims=True)  # [N, 1]
    normalizer = highest + tf.math.log(total)  # [N, 1]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return cross_entropy_gradient(logits, ids, normalizer, upstream), None

    right = tf.gather(logits, ids[:, None], batch_dims=1)  # [N, 1]
    return (normalizer - right)[:, 0], gradient  # [N]
