"""Rows that are picked, and sums of gradients that depend on no order."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.lookup import rows_at, rows_of, sums_of_rows
from tests.modeling.test_fused import normal

IDS = np.array([3, 0, 3, 3, 5, 0], np.int32)


def added(rows: np.ndarray, ids: np.ndarray = IDS) -> np.ndarray:
    summed = tf.function(lambda rows, ids: sums_of_rows(rows, ids, 7), jit_compile=True)
    return summed(tf.constant(rows, tf.float32), ids).numpy()


@pytest.mark.parametrize("level", [0.0, 1e-20, 1.0, 3e30])
def test_sums_are_those_of_float64(level: float) -> None:
    """To the last bits of float32, and those of rows that are a millionth of the others too."""
    rows = normal(6, 5) * np.float32(level) * np.float32([[1], [1e-6], [1], [1], [1], [1e-6]])
    expected = np.zeros([7, 5])
    np.add.at(expected, IDS, rows.astype(np.float64))
    np.testing.assert_allclose(added(rows), expected, rtol=1e-7, atol=level * 2**-50)


def test_sums_do_not_depend_on_the_order() -> None:
    generator = np.random.default_rng(0)
    rows = normal(6000, 5) * np.exp(8 * normal(6000, 1, seed=1))  # of very different sizes
    ids = generator.integers(0, 7, 6000).astype(np.int32)
    order = generator.permutation(6000)
    np.testing.assert_array_equal(added(rows, ids), added(rows[order], ids[order]))
    plain = np.zeros([7, 5], np.float32)
    np.add.at(plain, ids[order], rows[order])
    assert (plain != added(rows, ids)).any()  # as sums of float32 do


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_so(value: float) -> None:
    rows = normal(6, 5)
    rows[1, 2] = value
    assert np.isnan(added(rows)).all()


def picked(values: tf.Tensor, ids: np.ndarray, of: str) -> list[tf.Tensor]:
    """Rows and the gradient of where they come from."""
    with tf.GradientTape() as tape:
        tape.watch(values)
        if of == "table":
            rows = rows_of(values, ids)  # [2, 3, 5]
        else:
            rows = rows_at(tf.reshape(values, [2, 4, 5]), ids)  # [2, 3, 5]
        total = tf.reduce_sum(rows * rows * normal(*rows.shape, seed=1))
    return [rows, tf.convert_to_tensor(tape.gradient(total, values))]


@pytest.mark.parametrize("of", ["table", "sequences"])
def test_a_compiled_step_picks_the_same(of: str) -> None:
    """Some rows more than once, and with a gradient in which no floats are scattered."""
    values, ids = tf.constant(normal(8, 5)), np.array([[3, 0, 3], [1, 1, 2]], np.int32)
    expected = picked(values, ids, of)
    with plain_operations():
        compiled = tf.function(lambda x: picked(x, ids, of), jit_compile=True, autograph=False)
        found = compiled(values)
        text = compiled.experimental_get_compiler_ir(values)(stage="hlo")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    scattered = [line for line in text.splitlines() if " scatter(" in line]
    assert all(" s64[" in line for line in scattered)
    assert len(scattered) == (of == "table")
