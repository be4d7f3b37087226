"""Which curves a report shows: a panel for each metric, all runs in it, and what they would be
without learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from electra_cli.report.plots.along import Along, Places, flops_a_step, places_of
from electra_cli.report.plots.shown import METRICS, Metric
from electra_cli.report.plots.thinning import Floats, Thinned, thinned
from electra_cli.report.record import RunRecord
from electra_cli.runs.metrics_file import Series

Role = Literal["published", "training", "held-out"]

_OVER: Mapping[Along, str] = {
    "steps": "the steps",
    "flops": "the FLOPs",
    "hours": "the hours in updates",
}
# What is nearer to 0 is 0, and what is farther no number: an axis could not be divided.
_LEAST, _GREATEST = 1e-100, 1e100
# A run that fills less of the axis than this is drawn on a logarithmic one.
_LEAST_SHARE = 0.1
# Values that are this much more than their median are drawn on a logarithmic axis.
_MOST_SPREAD = 30.0
# The first part of the steps is left out of the scale where all the rest is in a small part of it.
_FIRST_PART, _SMALL_PART = 0.05, 0.25
# A curve with fewer points behind it is seen whole: the line from its first point to the next is
# no steep beginning, but a good part of what is known.
_FEWEST_LATER = 10
_SAME = 0.01  # baselines of several runs that differ by a smaller share are one line


@dataclass(frozen=True)
class Curve:
    """A metric of a run.

    Attributes:
      name: Of the run, or the title of what was published.
      role: What it was measured on.
      run: Which of the runs it is of, from 0.
      points: Its points, along what the panel has.
      last_step: Its last step.
      last: The number there; NaN for none.
    """

    name: str
    role: Role
    run: int
    points: Thinned
    last_step: int
    last: float


@dataclass(frozen=True)
class Baseline:
    """What a metric would be without learning, from the least to the greatest of the runs."""

    name: str
    low: float
    high: float

    @property
    def is_band(self) -> bool:
        """Whether the runs disagree so much that it shows."""
        return self.high - self.low > _SAME * abs(self.high)

    @property
    def range(self) -> str:
        """Its value in words."""
        low, high = shortened(self.low), shortened(self.high)
        return f"{low} to {high}" if self.is_band else shortened((self.low + self.high) / 2)


@dataclass(frozen=True)
class Panel:
    """A metric of all runs.

    Attributes:
      metric: Its name in metrics.jsonl.
      title: What people call it.
      unit: What a number of it means.
      curves: At least one, those that are drawn first at first.
      baselines: Horizontal lines.
      along: What the horizontal axis has.
      end: Where that ends; the same of all panels.
      begin: Where its logarithmic part begins; None for a linear axis.
      flops_a_step: What stands beside steps, if it is the same for all of the runs; else None.
      log_values: Whether the axis of values is logarithmic.
      window: The least and the greatest value that is shown; None for all of them.
    """

    metric: str
    title: str
    unit: str
    curves: Sequence[Curve]
    baselines: Sequence[Baseline]
    along: Along
    end: float
    begin: float | None
    flops_a_step: float | None
    log_values: bool
    window: tuple[float, float] | None

    @property
    def description(self) -> str:
        """The panel in words, for who cannot see it."""
        lines = [
            f"{curve.name} ({curve.role}): {shortened(curve.last)} at step {curve.last_step:,}"
            for curve in self.curves
        ]
        lines += [f"{line.name}: {line.range}" for line in self.baselines]
        return f"{self.title} over {_OVER[self.along]}, {self.unit}. {'; '.join(lines)}."


def panels(records: Sequence[RunRecord], along: Along = "steps") -> list[Panel]:
    """Chooses what is drawn of runs: what they have numbers of.

    Args:
      records: The runs, laid over each other.
      along: What the horizontal axes have.
    """
    runs = [_Run(record, places_of(record, along)) for record in records]
    ends = [end for run in runs for end in run.ends()]
    if not ends:
        return []
    begin = None
    if min(ends) < _LEAST_SHARE * max(ends):
        begin = min(first for run in runs for first in run.begins())
        if along != "steps":  # whose ticks are round numbers
            begin = 10.0 ** math.floor(math.log10(begin))
    costs = {flops_a_step(record) for record in records} if along == "steps" else set()
    axis = _Axis(along, max(ends), begin, costs.pop() if len(costs) == 1 else None)
    found = (_panel(name, metric, runs, axis) for name, metric in METRICS.items())
    return [panel for panel in found if panel]


def shortened(number: float, digits: int = 3) -> str:
    """A number as a picture has room for it: 0.686, 24.4, 23.5k, 1.75e-4."""
    if math.isnan(number):
        return "n/a"
    if 0 < abs(number) < 1e-3 or abs(number) >= 1e12:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    for size, ending in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.{digits}g}{ending}"
    return f"{number:.{digits}g}"


class _Axis(NamedTuple):
    """The horizontal axis; see `Panel`."""

    along: Along
    end: float
    begin: float | None
    flops_a_step: float | None


class _Run(NamedTuple):
    """A run, and where its steps stand."""

    record: RunRecord
    places: Places

    def ends(self) -> Iterator[float]:
        """Where it ends, and where what was published does."""
        steps = [_last_step(self.record)]
        if self.record.published:
            steps.append(int(self.record.published.curve.steps[-1]))
        yield from (end for end in self.places(np.array(steps)).tolist() if end > 0)

    def begins(self) -> Iterator[float]:
        """Where its first steps stand."""
        for series in (self.record.history.train, self.record.history.validation):
            yield from (place for place in self.places(series.steps).tolist() if place > 0)


def _panel(name: str, metric: Metric, runs: Sequence[_Run], axis: _Axis) -> Panel | None:
    records = [run.record for run in runs]
    curves = [curve for role in _ROLES for curve in _curves(name, role, runs, axis.begin)]
    roles = {curve.role for curve in curves}
    if roles <= {"published"} or (metric.only_beside_published and "published" not in roles):
        return None
    baselines = _baselines([metric.baselines(record) for record in records])
    values = _values(curves, 0)
    log_values = bool((values > 0).all() and values.max() > _MOST_SPREAD * np.median(values))
    window = None
    if axis.begin is None and not log_values:
        everything = np.append(values, [end for line in baselines for end in (line.low, line.high)])
        begins = [_first_shown(curve, _FIRST_PART * axis.end) for curve in curves]
        later = [_values([curve], begin) for curve, begin in zip(curves, begins, strict=True)]
        window = _window(everything, np.concatenate(later)) if any(begins) else None
    return Panel(name, metric.title, metric.unit, curves, baselines, *axis, log_values, window)


def _values(curves: Sequence[Curve], after: float) -> Floats:
    """All that is drawn after a place, in any order."""
    parts = [
        extreme[points.places >= after]
        for points in (curve.points for curve in curves)
        for extreme in (points.low, points.high)
    ]
    values = np.concatenate(parts)
    return values[np.isfinite(values)]


def _first_shown(curve: Curve, later: float) -> float:
    """The place from which on all of a curve has to be seen."""
    known = curve.points.places[np.isfinite(curve.points.means)]
    return later if np.count_nonzero(known >= later) >= _FEWEST_LATER else 0


def _window(everything: Floats, later: Floats) -> tuple[float, float] | None:
    height = float(np.ptp(everything))
    if not later.size or np.ptp(later) >= _SMALL_PART * height:
        return None
    edge = 0.02 * height
    return float(later.min()) - edge, float(later.max()) + edge


def _curves(name: str, role: Role, runs: Sequence[_Run], begin: float | None) -> Iterator[Curve]:
    seen = set()
    for number, (record, places_at) in enumerate(runs):
        series, title = _ROLES[role](record)
        values, places = series.column(name), places_at(series.steps)  # [N] each
        size = np.abs(values)
        values = np.where(size < _GREATEST, np.where(size > _LEAST, values, 0.0), np.nan)  # [N]
        shown = np.isfinite(places)  # [N]
        if role == "published":  # what it lacks is no gap of ours
            shown &= np.isfinite(values)
        steps, values, places = series.steps[shown], values[shown], places[shown]
        if not np.isfinite(values).any() or (role == "published" and title in seen):
            continue
        seen.add(title)
        points = thinned(places, values, begin)
        yield Curve(title, role, number, points, int(steps[-1]), float(values[-1]))


def _baselines(of_runs: Sequence[Mapping[str, float]]) -> list[Baseline]:
    """The baselines of all runs, those of a name as one."""
    known: dict[str, list[float]] = {}
    for name, value in (pair for baselines in of_runs for pair in baselines.items()):
        if abs(value) < _GREATEST:
            known.setdefault(name, []).append(value)
    return [Baseline(name, min(values), max(values)) for name, values in known.items()]


def _last_step(record: RunRecord) -> int:
    parts = (record.history.train.steps, record.history.validation.steps)
    return max((int(steps[-1]) for steps in parts if len(steps)), default=0)


def _published(record: RunRecord) -> tuple[Series, str]:
    if record.published is None:
        return Series.of(()), ""
    return record.published.curve, record.published.title


_ROLES: Mapping[Role, Callable[[RunRecord], tuple[Series, str]]] = {
    "published": _published,
    "training": lambda record: (record.history.train, record.name),
    "held-out": lambda record: (record.history.validation, record.name),
}
