"""The compiled pieces against the same mathematics written with NumPy and plain operations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling import fused
from electra_cli.modeling.layers import Dense

KEY = np.array([11, 22, 1], np.uint32)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def normalized(values: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(values.var(axis=-1, keepdims=True) + 1e-12) * gamma + beta


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


GAMMA, BETA = 1 + 0.1 * normal(32, seed=3), normal(32, seed=4)

# name: (the call, its tensors that have gradients)
PIECES: dict[str, tuple[Callable[..., tf.Tensor], list[np.ndarray]]] = {
    "gelu": (fused.gelu, [normal(40, 32)]),
    "dropout": (lambda values: fused.dropout_of(values, KEY, rate=0.3), [normal(40, 32)]),
    "layer_norm": (
        lambda *inputs: fused.layer_norm_dropout(*inputs, KEY, rate=0.0),
        [normal(40, 32), GAMMA, BETA],
    ),
    "layer_norm_dropout": (
        lambda *inputs: fused.layer_norm_dropout(*inputs, KEY, rate=0.3),
        [normal(40, 32), GAMMA, BETA],
    ),
    "dropout_add_layer_norm": (
        lambda *inputs: fused.dropout_add_layer_norm(*inputs, KEY, rate=0.3),
        [normal(40, 32), normal(40, 32, seed=1), GAMMA, BETA],
    ),
    "biased_logits": (fused.biased_logits, [normal(7, 45), normal(45)]),
    "cross_entropy": (
        lambda logits: fused.cross_entropy(
            tf.cast(logits, tf.float32), np.arange(7, dtype=np.int32) * 5
        ),
        [4 * normal(7, 45)],
    ),
}


def value_and_gradients(piece: str, dtype: tf.DType) -> list[tf.Tensor]:
    call, arrays = PIECES[piece]
    inputs = [tf.cast(array, dtype if array.ndim > 1 else tf.float32) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = tf.cast(call(*inputs), tf.float32)
        upstream = normal(*output.shape, seed=9)
        total = tf.reduce_sum(output * upstream)
    found = [output, *tape.gradient(total, inputs)]
    return [tf.cast(tensor, tf.float32) for tensor in found]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(("dtype", "bound"), [(tf.float32, 2e-6), (tf.bfloat16, 2e-2)])
def test_equal_to_plain_operations(piece: str, dtype: tf.DType, bound: float) -> None:
    """Also a check of the masks: the gradient draws them again and must meet the same ones."""
    pieces = value_and_gradients(piece, dtype)
    with fused.plain_operations():
        plain = value_and_gradients(piece, tf.float32)
        whole = tf.function(value_and_gradients, jit_compile=True, autograph=False)(piece, dtype)
    for form in (pieces, whole):
        for found, expected in zip(form, plain, strict=True):
            assert np.linalg.norm(found - expected) <= bound * np.linalg.norm(expected)


def test_plain_operations_hold_no_compiled_call() -> None:
    def compiled_calls() -> list[bool]:
        graph = tf.function(fused.gelu).get_concrete_function(tf.TensorSpec([4, 4])).graph
        return [
            "_XlaMustCompile" in op.node_def.attr and op.get_attr("_XlaMustCompile")
            for op in graph.get_operations()
        ]

    assert any(compiled_calls())
    with fused.plain_operations():
        assert not any(compiled_calls())


def test_gelu() -> None:
    values = normal(5, 7)
    expected = [x * 0.5 * (1 + math.erf(x / 2**0.5)) for x in values.ravel()]
    np.testing.assert_allclose(fused.gelu(values).numpy().ravel(), expected, rtol=1e-5, atol=1e-6)


def test_layer_norm() -> None:
    values = 3 + normal(5, 32)
    found = fused.layer_norm_dropout(values, GAMMA, BETA, KEY, rate=0.0)
    np.testing.assert_allclose(found, normalized(values, GAMMA, BETA), rtol=1e-5, atol=1e-5)


def test_dropout_add_layer_norm() -> None:
    values, residual = normal(50, 32), normal(50, 32, seed=1)
    dropped = fused.dropped(tf.constant(values), KEY, 0.3).numpy()
    assert 0.2 < (dropped == 0).mean() < 0.4
    found = fused.dropout_add_layer_norm(values, residual, GAMMA, BETA, KEY, rate=0.3)
    expected = normalized(residual + dropped, GAMMA, BETA)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_cross_entropy() -> None:
    logits, ids = 9 * normal(6, 300), np.array([0, 299, 5, 17, 100, 44], np.int32)
    expected = -np.log(softmax(logits.astype(np.float64)))[np.arange(6), ids]
    np.testing.assert_allclose(fused.cross_entropy(logits, ids), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [512, 700, 100])
@pytest.mark.parametrize("rows", [3, None])  # None: known only when it runs
def test_column_weights(size: int, rows: int | None) -> None:
    logits = normal(3, size)
    highest = logits.max(axis=-1, keepdims=True)
    specs = [tf.TensorSpec([rows, size]), tf.TensorSpec([rows, 1])]
    column_weights = tf.function(fused.column_weights, input_signature=specs)
    found = column_weights(logits, highest).numpy()
    weights = np.exp(logits - highest)
    expected = [weights[:, column::256].sum(axis=-1) for column in range(min(256, size))]
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), rtol=1e-5)


@pytest.mark.parametrize(("dtype", "bound"), [(tf.float32, 1e-6), (tf.bfloat16, 1e-2)])
def test_pair_scores(dtype: tf.DType, bound: float) -> None:
    left, right, weights = normal(2, 3, 16), normal(2, 5, 16, seed=1), normal(16, seed=2)
    found = fused.pair_scores(tf.cast(left, dtype), tf.cast(right, dtype), weights).numpy()
    activated = fused.gelu(tf.constant(left[:, :, None] + right[:, None])).numpy()  # [2, 3, 5, 16]
    expected = activated @ weights
    assert found.dtype == np.float32
    assert np.linalg.norm(found - expected) <= bound * np.linalg.norm(expected)


@pytest.mark.parametrize(("dtype", "bound"), [(tf.float32, 1e-6), (tf.bfloat16, 1e-2)])
def test_dense_has_the_gradients_of_an_affine_map(dtype: tf.DType, bound: float) -> None:
    dense = Dense(8, 5, lambda shape, _: tf.constant(normal(*shape, seed=2)), "dense")
    values, upstream = tf.cast(normal(30, 8), dtype), tf.cast(normal(30, 5, seed=5), dtype)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(tf.cast(dense(values) * upstream, tf.float32))
    found = tape.gradient(total, [values, dense.kernel, dense.bias])
    x, g, w = (tf.cast(t, tf.float32).numpy() for t in (values, upstream, dense.kernel))
    for tensor, expected in zip(found, [g @ w.T, x.T @ g, g.sum(axis=0)], strict=True):
        error = np.linalg.norm(tf.cast(tensor, tf.float32).numpy() - expected)
        assert error <= bound * np.linalg.norm(expected)
