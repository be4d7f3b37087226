"""What several seeds of the same fine-tuning say together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from electra_cli.metrics.scores.names import higher_is_better

Role = Literal["model", "random", "probe"]


@dataclass(frozen=True)
class Column:
    """A checkpoint or a baseline with its score of each seed.

    Attributes:
      label: What people call it, such as step 10,000 or random weights.
      step: Pretraining steps it has seen; None where that is not known or none.
      scores: Of one metric, by seed.
      role: model: fine-tuned whole; random: the same from random weights; probe: the head alone.
      flops: What the pretraining has cost; None where that is not known or none.
    """

    label: str
    step: int | None
    scores: Mapping[int, float]
    role: Role = "model"
    flops: float | None = None


@dataclass(frozen=True)
class Spread:
    """The scores of one column over its seeds.

    Attributes:
      scores: By seed; where the score is not defined, that of the majority baseline.
      median: Of the scores.
      mean: Of the scores.
      deviation: Sample standard deviation; NaN of one seed.
      best: The best score.
      best_seed: The seed that has it; the first of several.
      failed: Seeds that are no better than the majority baseline.
    """

    scores: Mapping[int, float]
    median: float
    mean: float
    deviation: float
    best: float
    best_seed: int
    failed: tuple[int, ...]


def spread(scores: Mapping[int, float], *, metric: str, majority: float) -> Spread:
    """Describes the seeds of one column.

    Args:
      scores: By seed, at least one.
      metric: Their name, which says which way is better.
      majority: The score of the majority baseline. A model that says the same always is this
        baseline, so that its correlation, which is not defined, counts as the baseline's.
    """
    sign = 1 if higher_is_better(metric) else -1
    known = {seed: majority if math.isnan(score) else score for seed, score in scores.items()}
    values = list(known.values())
    best_seed = max(known, key=lambda seed: sign * known[seed])
    return Spread(
        scores=known,
        median=statistics.median(values),
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if len(values) > 1 else math.nan,
        best=known[best_seed],
        best_seed=best_seed,
        failed=tuple(seed for seed in known if sign * known[seed] <= sign * majority),
    )
