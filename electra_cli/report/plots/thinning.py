"""Long curves in few points, so that a picture of a million steps is small.

Shapes: N points of a curve, K points that are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Of each the picture draws three: mean, least and greatest. It is fewer than 400 pixels wide.
MOST = 260


@dataclass(frozen=True)
class Thinned:
    """A curve in at most MOST points; NaN where it has a gap.

    Attributes:
      places: [K], means of the steps, or of what else is on the axis, that a point stands for.
      means: [K].
      low: [K], the least of the values that a point stands for.
      high: [K], the greatest.
    """

    places: Floats
    means: Floats
    low: Floats
    high: Floats

    @property
    def is_exact(self) -> bool:
        """Whether every point stands for one value."""
        return bool(np.array_equal(self.low, self.high, equal_nan=True))


def thinned(places: npt.NDArray[Any], values: Floats, first: float | None = None) -> Thinned:
    """Joins neighbours until few are left; none is lost, since the extremes are kept.

    Args:
      places: [N], ascending: steps, or what else is on the axis.
      values: [N], NaN for no number.
      first: The place at which a logarithmic axis begins, on which neighbours stand ever closer;
        None for a linear axis.
    """
    if len(places) <= MOST:
        return Thinned(places.astype(np.float64), values, values, values)
    even = places.astype(np.float64) if first is None else np.log(np.maximum(places, first))  # [N]
    shares = (even - even[0]) / (even[-1] - even[0])  # [N], 0 to 1
    bins = np.minimum((shares * MOST).astype(np.int64), MOST - 1)  # [N]
    starts = np.flatnonzero(np.diff(bins, prepend=-1))  # [K], bins that nothing is in are left out
    known = np.isfinite(values)  # [N]
    values = np.where(known, values, np.nan)
    numbers = np.add.reduceat(known, starts, dtype=np.int64)  # [K]
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)  # [K]
    sizes = np.diff(starts, append=len(places))  # [K]
    return Thinned(
        np.add.reduceat(places, starts) / sizes,
        np.divide(sums, numbers, out=np.full(len(starts), np.nan), where=numbers > 0),
        np.fmin.reduceat(values, starts),  # [K], NaN only of nothing but NaN
        np.fmax.reduceat(values, starts),
    )
