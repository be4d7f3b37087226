"""Attention in its two forms: equal to each other, whole or in blocks, and to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling import attention
from electra_cli.modeling.dropout import Draw
from electra_cli.modeling.fused import plain_operations
from tests.modeling.test_fused import KEY, normal, softmax

ROWS, HEADS, SIZE = 2, 3, 8
# The compiled forms add in another order; bfloat16 has 8 bits, and 2**-8 is 0.4%.
# Half a unit in the last place of bfloat16 is 2e-3, and a gradient is rounded several times on its
# way: 1.05e-2 was seen on a CPU that emulates the type, below 1e-2 on one that has it.
BOUNDS = {"float32": 2e-6, "bfloat16": 1.2e-2}


def mask_of(length: int) -> np.ndarray:
    mask = np.ones([ROWS, length], np.int32)
    mask[1, length * 2 // 3 :] = 0
    return mask


def projected_of(length: int) -> np.ndarray:
    return normal(ROWS * length, 3 * HEADS * SIZE)


def attended(
    length: int, dtype: str, projected: tf.Tensor, reading: attention.Reading = "both"
) -> list[tf.Tensor]:
    """What a length's positions take, and the gradient of queries, keys and values; float32."""
    projected = tf.cast(projected, dtype)
    upstream = tf.cast(normal(ROWS * length, HEADS * SIZE, seed=1), dtype)
    with tf.GradientTape() as tape:
        tape.watch(projected)
        draw = Draw(tf.constant(KEY), 0.3)
        context = attention.attend(
            projected, tf.constant(mask_of(length)), draw, heads=HEADS, reading=reading
        )
    return [tf.cast(x, tf.float32) for x in (context, tape.gradient(context, projected, upstream))]


@pytest.mark.parametrize(
    ("length", "dtype", "reading"),
    [
        *((length, dtype, "both") for length in (16, 300) for dtype in BOUNDS),
        (300, "float32", "ltr"),
        (16, "float32", "rtl"),
    ],
)
def test_the_forms_are_equal(length: int, dtype: str, reading: attention.Reading) -> None:
    """300 positions are three blocks of 104 queries, the last of which has 12 fillers."""
    projected = tf.constant(projected_of(length))
    pieces = attended(length, "float32", projected, reading)
    with plain_operations():
        whole = tf.function(attended, jit_compile=True, autograph=False)
        compiled = whole(length, dtype, projected, reading)
        exported = attended(length, dtype, projected, reading)
    for form in (compiled, exported):
        for found, expected in zip(form, pieces, strict=True):
            difference = np.linalg.norm(found - expected)
            assert difference <= BOUNDS[dtype] * np.linalg.norm(expected)


def test_no_array_of_all_weights_is_in_a_compiled_step() -> None:
    """Of a long row only a block of queries meets all keys."""
    projected = tf.constant(projected_of(512))
    with plain_operations():
        traced = tf.function(lambda x: attended(512, "float32", x), jit_compile=True)
        text = traced.experimental_get_compiler_ir(projected)(stage="optimized_hlo")
    assert f"[{ROWS},{HEADS},128,512]" in text
    assert "512,512]" not in text
    # A loop whose turns are not known beforehand would have a GPU ask the host after each.
    loops = [line for line in text.splitlines() if " while(" in line]
    assert len(loops) == 2  # forward and backward
    assert all('"known_trip_count":{"n":"4"}' in loop for loop in loops)


@pytest.mark.parametrize(("reading", "sees"), [("ltr", np.tril), ("rtl", np.triu)])
def test_a_reading_sees_nothing_beyond_a_position(reading: attention.Reading, sees: Any) -> None:
    scores, mask = normal(2, 3, 16, 16), mask_of(16)
    found = attention.weights_by_key(scores, mask, KEY, scale=0.5, rate=0.0, reading=reading)
    by_query = scores.swapaxes(2, 3) * 0.5
    allowed = sees(np.ones([16, 16])) * mask[:, None, None, :]  # [B, 1, queries, keys]
    expected = softmax(by_query + (1 - allowed) * -1e4).swapaxes(2, 3)
    # Behind padding alone all scores are 10,000 lower, which costs them four digits.
    atol = np.where(mask, 1e-7, 1e-3)[:, None, None, :]  # [B, 1, 1, queries]
    assert (np.abs(found - expected) <= atol + 1e-5 * expected).all()


def test_weights_by_key() -> None:
    scores, mask = normal(2, 3, 16, 16), mask_of(16)
    found = attention.weights_by_key(scores, mask, KEY, scale=0.5, rate=0.0).numpy()
    by_query = scores.swapaxes(2, 3) * 0.5
    expected = softmax(by_query + np.where(mask, 0, -1e4)[:, None, None, :]).swapaxes(2, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert (found[1, :, 10:, :] == 0).all()
