"""Welch's test: whether two means differ by more than the noise of what they are means of."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def p_value(left: Collection[float], right: Collection[float]) -> float:
    """How often means would differ as much or more if nothing but noise told them apart.

    Welch's two-sided t-test (Biometrika 34, 1947), for variances that may differ.

    Args:
      left: Scores of one side.
      right: Scores of the other.

    Returns:
      From 0 to 1; NaN if a side has fewer than two scores. Where neither side varies it is 1 if
      both are the same and else 0.
    """
    if min(len(left), len(right)) < 2:
        return math.nan
    difference = abs(statistics.fmean(left) - statistics.fmean(right))
    parts = [statistics.variance(side) / len(side) for side in (left, right)]
    if not sum(parts):
        return float(difference == 0)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (left, right), strict=True)
    )
    return _beyond(difference / math.sqrt(sum(parts)), freedom)


def _beyond(t: float, freedom: float) -> float:
    """The probability that Student's t is further from zero than `t`.

    With t = sqrt(freedom)·tan(a) its density becomes that of an angle, cos(a)^(freedom - 1).
    """

    def mass(above: float) -> float:
        half = (math.pi / 2 - above) / 2
        angles = above + half * (_NODES + 1)
        return float(half * (_WEIGHTS @ np.cos(angles) ** (freedom - 1)))

    return mass(math.atan(t / math.sqrt(freedom))) / mass(0.0)
