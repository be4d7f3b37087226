"""Dense layers, LayerNorm and how variables begin, by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.layers import (
    Dense,
    Initializer,
    LayerNorm,
    glorot_uniform,
    truncated_normal,
)


@pytest.fixture(autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    with plain_operations():
        yield


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
def test_dense(dtype: tf.DType) -> None:
    dense = Dense(3, 2, truncated_normal(0.02, seed=0), "a")
    assert [variable.name for variable in (dense.kernel, dense.bias)] == ["a/kernel:0", "a/bias:0"]
    np.testing.assert_array_equal(dense.bias, [0, 0])
    dense.kernel.assign([[1, 2], [3, 4], [5, 6]])
    dense.bias.assign([10, 20])
    found = dense(tf.constant([[1, 0, -1], [0, 2, 0]], dtype))
    assert (found.dtype, dense.kernel.dtype) == (dtype, tf.float32)
    np.testing.assert_array_equal(tf.cast(found, tf.float32), [[6, 16], [16, 28]])


ROWS = {
    "its own mean and deviation": ([1.0, 3.0, 3.0, 1.0], [-1, 1, 1, -1]),
    "whatever is added": ([1001.0, 1003.0, 1003.0, 1001.0], [-1, 1, 1, -1]),
    "whatever it is multiplied with": ([1e-3, 3e-3, 3e-3, 1e-3], [-1, 1, 1, -1]),
    "no deviation at all": ([7.0, 7.0, 7.0, 7.0], [0, 0, 0, 0]),
}


@pytest.mark.parametrize("row", ROWS)
def test_layer_norm(row: str) -> None:
    values, expected = ROWS[row]
    norm = LayerNorm(4, "a")
    found = norm(tf.constant([values]))
    np.testing.assert_allclose(found, [expected], atol=1e-4)
    norm.gamma.assign([1, 2, 3, 4])
    norm.beta.assign([10, 20, 30, 40])
    found = norm(tf.constant([values]))
    scaled = np.array(expected) * [1, 2, 3, 4] + [10, 20, 30, 40]
    np.testing.assert_allclose(found, [scaled], atol=1e-3)
    half = tf.constant([values]) / 2
    np.testing.assert_allclose(norm.of_sum(half, half, Dropout().draw(0.5)), [scaled], atol=1e-3)


@pytest.mark.parametrize(
    ("make", "largest", "deviation"),
    [
        (lambda seed: truncated_normal(0.02, seed), 0.04, 0.02 * 0.8796),
        (glorot_uniform, (6 / 300) ** 0.5, (6 / 300) ** 0.5 / 3**0.5),
    ],
    ids=["truncated_normal", "glorot_uniform"],
)
def test_variables_begin_as_the_seed_and_their_name_say(
    make: type[Initializer], largest: float, deviation: float
) -> None:
    drawn = make(1)([100, 200], "a").numpy()
    assert np.abs(drawn).max() <= largest
    assert drawn.std() == pytest.approx(deviation, rel=0.02)
    assert drawn.mean() == pytest.approx(0, abs=deviation / 20)
    np.testing.assert_array_equal(drawn, make(1)([100, 200], "a"))
    for other in (make(2)([100, 200], "a"), make(1)([100, 200], "b")):
        assert abs(np.corrcoef(drawn.ravel(), other.numpy().ravel())[0, 1]) < 0.03
