"""What results say together: means, spreads, and differences of pairs with the same seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats  # type: ignore[import-untyped]

from recipes_parts.results import Result

CONFIDENCE = 0.95

# Of which less is better; of all other metrics more is.
FALLING = ("masked_lm_loss",)


@dataclass(frozen=True)
class Figure:
    """A metric of a recipe over its seeds.

    Attributes:
      values: By seed; what is no number is left out, as of a run that has diverged.
    """

    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        """NaN of nothing."""
        return statistics.fmean(self.values.values()) if self.values else math.nan

    @property
    def deviation(self) -> float:
        """Sample standard deviation; NaN of fewer than two."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else math.nan


@dataclass(frozen=True)
class Difference:
    """A recipe less the reference, over the seeds that both have.

    Attributes:
      mean: Of the differences; NaN without pairs.
      half: Half the width of Student's interval of 95%; NaN of fewer than two pairs.
      pairs: How many there are.
      sign: 1 where more is better, else -1.
    """

    mean: float
    half: float
    pairs: int
    sign: int

    @property
    def verdict(self) -> str:
        """better, worse, or that these pairs do not tell."""
        if math.isnan(self.half):
            return "too few seeds"
        if abs(self.mean) <= self.half:
            return "not told apart"
        return "better" if self.mean * self.sign > 0 else "worse"


def figure(results: Sequence[Result], recipe: str, metric: str) -> Figure:
    """A metric of a recipe."""
    own = {r.seed: r.metrics.get(metric) for r in results if r.recipe == recipe}
    return Figure({seed: v for seed, v in own.items() if v is not None and math.isfinite(v)})


def difference(results: Sequence[Result], recipe: str, reference: str, metric: str) -> Difference:
    """How far a recipe is from the reference.

    What all runs of a seed share, such as the order of rows, is in both numbers of a pair and
    leaves its difference; whatever else differs between seeds is the noise of the interval.
    """
    ours, theirs = figure(results, recipe, metric).values, figure(results, reference, metric).values
    apart = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    sign = -1 if metric in FALLING else 1
    if not apart:
        return Difference(math.nan, math.nan, 0, sign)
    half = math.nan
    if len(apart) > 1:
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(apart) - 1))
        half = quantile * statistics.stdev(apart) / math.sqrt(len(apart))
    return Difference(statistics.fmean(apart), half, len(apart), sign)
