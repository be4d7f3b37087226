"""Dropout masks: who decides them, and how random they look."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.dropout import Draw, Dropout, dropped

RATE = 0.1


def draw(*, seed: int = 1, step: int = 3, part: int = 0, calls: int = 1) -> Draw:
    dropout = Dropout(tf.constant(seed), tf.constant(step), part)
    return [dropout.draw(RATE) for _ in range(calls)][-1]


def mask(shape: tuple[int, ...] = (50, 101), **which: int) -> np.ndarray:
    """The elements that are dropped."""
    return dropped(tf.ones(shape), *draw(**which)).numpy() == 0


def test_rate_and_scale() -> None:
    values = dropped(tf.ones([400, 500]), *draw()).numpy()
    assert abs((values == 0).mean() - RATE) < 0.004
    assert values.mean() == pytest.approx(1.0, abs=0.005)
    assert set(np.unique(values)) == {0.0, np.float32(1 / np.float32(0.9))}


def test_only_seed_step_part_and_call_decide() -> None:
    np.testing.assert_array_equal(mask(), mask())
    for other in ({"seed": 2}, {"step": 4}, {"part": 1}, {"calls": 2}):
        assert (mask() != mask(**other)).any()


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 4}, {"part": 1}, {"calls": 2}])
def test_masks_are_independent(other: dict[str, int]) -> None:
    """Two masks, and one mask against itself shifted, meet as often as chance has it."""
    size = 1_000_000
    first, second = mask((size,)), mask((size,), **other)
    expected, deviation = RATE**2, (RATE**2 * (1 - RATE**2) / size) ** 0.5
    assert abs((first & second).mean() - expected) < 5 * deviation
    for shift in (1, 2, 4, 64, 128, 256, 1024):
        met = (first[shift:] & first[:-shift]).mean()
        assert abs(met - expected) < 5 * deviation, shift


def test_runs_over_rows_and_columns_are_even() -> None:
    """No row or column is dropped more often than a binomial distribution allows."""
    grid = mask((1000, 1000))
    for axis in (0, 1):
        counts = grid.sum(axis=axis)
        statistic = ((counts - 100) ** 2 / (100 * 0.9)).sum()  # chi-square, 1,000 degrees
        assert 1000 - 5 * 2000**0.5 < statistic < 1000 + 5 * 2000**0.5


def test_the_same_inside_a_compiled_function() -> None:
    np.testing.assert_array_equal(tf.function(mask_values, jit_compile=True)(), mask_values())


def test_no_constant_is_as_large_as_what_is_dropped() -> None:
    """Constants are made on the host, those of all masks of a step before XLA compiles it."""
    traced = tf.function(lambda values, key: dropped(values, key, RATE), jit_compile=True)
    ir = traced.experimental_get_compiler_ir(tf.ones([50, 101]), draw().key)(stage="hlo")
    constants = re.findall(r" = \w+\[([\d,]*)\]\S* constant\(", ir)
    sizes = [math.prod(int(length) for length in found.split(",") if length) for found in constants]
    assert max(sizes) == 101


def mask_values() -> tf.Tensor:
    return dropped(tf.ones([50, 101]), *draw())


def test_off() -> None:
    assert Dropout().draw(0.9).rate == 0.0
    np.testing.assert_array_equal(dropped(tf.ones([4]), *Dropout().draw(0.9)), tf.ones([4]))
