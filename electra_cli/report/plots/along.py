"""Along what curves are drawn: steps, what these have computed, or the hours that they took.

Shapes: N lines of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from electra_cli.report.plots.thinning import Floats
from electra_cli.report.record import RunRecord

Along = Literal["steps", "flops", "hours"]
ALONG: tuple[Along, ...] = get_args(Along)
LABELS: Mapping[Along, str] = {"steps": "steps", "flops": "FLOPs", "hours": "hours in updates"}

Steps = npt.NDArray[np.int64]
Places = Callable[[Steps], Floats]


def places_of(record: RunRecord, along: Along) -> Places:
    """Where steps of a run stand on the axis.

    Args:
      record: The run.
      along: What the axis has.

    Returns:
      Of steps [N] their places [N]; NaN where the run does not tell.
    """
    if along == "steps":
        return lambda steps: steps.astype(np.float64)
    if along == "flops":
        return lambda steps: np.array(
            [record.totals(step).flops for step in steps.tolist()], np.float64
        )
    return _hours(record)


def flops_a_step(record: RunRecord) -> float | None:
    """FLOPs of an update, if all of a run's are alike."""
    if record.config.train.batch_schedule is not None:
        return None
    steps = max(record.step, record.first_step + 1)
    flops, before = record.totals(steps).flops, record.totals(steps - 1).flops
    newest = flops - before
    return newest if math.isclose(newest * steps, flops, rel_tol=1e-9) else None


def _hours(record: RunRecord) -> Places:
    """Of each process the updates that no later one has done again, at its own speed."""
    starts = record.starts
    if not starts or starts[0].step > record.first_step:
        return lambda steps: np.full(len(steps), np.nan)
    later = list(accumulate((s.step for s in reversed(starts[1:])), min, initial=record.step))
    known, hours = [record.first_step], [0.0]
    for start, before in zip(starts, later[::-1], strict=True):
        end = min(start.last_step, before)
        if end > known[-1] and start.step_seconds is not None:
            hours.append(hours[-1] + start.seconds_in(known[-1], end) / 3600)
            known.append(end)
    return lambda steps: np.interp(steps, known, hours, left=np.nan, right=np.nan)
