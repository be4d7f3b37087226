"""Long curves in few points that lose no extreme."""

from __future__ import annotations

import numpy as np
import pytest

from electra_cli.report.plots.thinning import MOST, thinned


@pytest.mark.parametrize("number", [0, 1, MOST])
def test_a_short_curve_stays_as_it_is(number: int) -> None:
    steps, values = np.arange(number), np.arange(number, dtype=float) ** 2
    points = thinned(steps, values)
    assert points.is_exact
    assert points.places.tolist() == steps.tolist()
    assert points.means.tolist() == values.tolist()


@pytest.mark.parametrize("first", [None, 100.0])
def test_a_long_curve_keeps_its_ends_and_its_extremes(first: float | None) -> None:
    steps = np.arange(100, 1_000_001, 100)
    values = np.sin(steps / 5000)
    values[4321], values[8765] = 50.0, -50.0
    points = thinned(steps, values, first)
    assert len(points.places) <= MOST
    assert not points.is_exact
    assert (points.high.max(), points.low.min()) == (50.0, -50.0)
    assert np.all(points.low <= points.means)
    assert np.all(points.means <= points.high)
    assert np.all(np.diff(points.places) > 0)


def test_a_mean_is_of_the_numbers_that_are_known() -> None:
    values = np.ones(10 * MOST)
    values[::2] = np.nan
    values[5 * MOST : 6 * MOST] = np.nan
    points = thinned(np.arange(10 * MOST), values)
    gap = np.isnan(points.means)
    assert 0.05 < gap.mean() < 0.15
    assert set(points.means[~gap]) == {1.0}


def test_a_logarithmic_axis_keeps_the_first_steps_apart() -> None:
    steps = np.arange(100, 1_000_001, 100)
    points = thinned(steps, np.zeros(len(steps)), 100.0)
    assert points.places[:5].tolist() == [100, 200, 300, 400, 500]
    linear = thinned(steps, np.zeros(len(steps)))
    assert linear.places[0] > 1000
