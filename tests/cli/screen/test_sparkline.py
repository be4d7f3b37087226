"""A curve in one line of text: its heights, its memory, and values that have none."""

from __future__ import annotations

import math

import pytest

from electra_cli.cli.screen.progress import UNICODE
from electra_cli.cli.screen.sparkline import Sparkline


def drawn(values: list[float], length: int = 8) -> str:
    curve = Sparkline()
    for value in values:
        curve.add(value)
    return curve.drawn(length, UNICODE.levels)


@pytest.mark.parametrize(
    ("values", "curve"),
    [
        ([7, 6, 5, 4, 3, 2, 1, 0], "██▇▆▅▃▂▁"),  # 7 is beyond the range, and as high as 6
        ([2, 1], "████▁▁▁▁"),
        ([0, 0, 0, 0, 7, 0, 0, 0], "▁▁▁▁█▁▁▁"),
        ([5.0] * 8, "▁▁▁▁▁▁▁▁"),
        ([1, 1, 1, 1, math.nan, math.inf, -math.inf, 0], "████!!!▁"),
        ([math.nan] * 8, "!!!!!!!!"),
        ([1e308] * 4 + [0.0] * 4, "████▁▁▁▁"),
    ],
)
def test_heights(values: list[float], curve: str) -> None:
    assert drawn(values) == curve


def test_means_of_many_values_in_little_memory() -> None:
    curve = Sparkline()
    for value in range(100_000, 0, -1):
        curve.add(value)
    assert len(curve._values) <= 256
    assert curve.drawn(8, UNICODE.levels) == "██▇▆▅▃▂▁"
    assert list(curve.drawn(40, UNICODE.levels)) == sorted(curve.drawn(40, UNICODE.levels))[::-1]


def test_one_value_is_no_curve() -> None:
    curve = Sparkline()
    curve.add(1.0)
    assert not curve
    curve.add(1.0)
    assert curve
