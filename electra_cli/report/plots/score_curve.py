"""The picture of a score over the steps of pretraining, as SVG or PNG.

The same curve gives the same file: no date, no random ids. Lines differ in colour (those of Okabe
and Ito, which colour-blind people tell apart), in dashes and in markers, so print in grey will do.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.metrics.names import format_flops
from electra_cli.metrics.scores.names import MATTHEWS, MSE, PEARSON, SPEARMAN
from electra_cli.metrics.scores.spread import Column, Role, Spread, spread
from electra_cli.report.plots.style import (
    BLUE,
    DOTS_PER_INCH,
    GREEN,
    VERMILION,
    Kind,
    image_of,
    style,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (7.2, 4.6)
_UNITS = {MSE: "unit of the labels squared"} | dict.fromkeys(
    (PEARSON, SPEARMAN, MATTHEWS), "correlation"
)
_GREY = "#555555"
_MOST_TICKS = 9
_WIDE = 80  # letters in a line of the whole width


@dataclass(frozen=True)
class _Look:
    """How columns of one role are drawn, and what the legend calls their curve."""

    colour: str
    dashes: str
    marker: str
    name: str


_LOOKS: dict[Role, _Look] = {
    "model": _Look(BLUE, "-", "o", "fine-tuned"),
    "random": _Look(VERMILION, "--", "s", "random weights"),
    "probe": _Look(GREEN, "-.", "^", "frozen encoder"),
}


@dataclass(frozen=True)
class Curve:
    """What a picture shows.

    Attributes:
      columns: Checkpoints and baselines. Models that have steps are a curve, as are several probes
        that have; all else is a horizontal line.
      metric: What is drawn.
      majority: Its value for the majority baseline.
      title: Above the picture, such as the task and the run.
    """

    columns: Sequence[Column]
    metric: str
    majority: float
    title: str = ""


def write(curve: Curve, path: Path) -> None:
    """Draws a curve into a file, which is there whole or not at all.

    Args:
      curve: At least one column.
      path: Ends in .svg or .png.

    Raises:
      OSError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    kind: Kind = "svg" if path.suffix.lower() == ".svg" else "png"
    with style():
        figure = Figure(figsize=_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
        _draw(figure.subplots(), curve)
        drawn = image_of(figure, kind)
    atomic_write_bytes(path, drawn)


def _draw(axes: Axes, curve: Curve) -> None:
    rows = [
        (column, spread(column.scores, metric=curve.metric, majority=curve.majority))
        for column in curve.columns
    ]
    stepped = [column for column in curve.columns if column.step is not None]
    baselines = Counter(column.role for column in stepped)
    on_curve = [c for c in stepped if c.role == "model" or baselines[c.role] > 1]
    places = _scale(axes, sorted({column.step or 0 for column in on_curve}))
    axes.set_xlabel("pretraining steps" if places else "")
    _name_costs(axes, on_curve)
    for role, look in _LOOKS.items():
        mine = [
            (places[column.step or 0], found)
            for column, found in rows
            if column.role == role and column in on_curve
        ]
        if mine:
            _draw_curve(axes, sorted(mine, key=lambda point: point[0]), look)
    for column, found in rows:
        if column not in on_curve:
            _draw_line(axes, column.label, found, _LOOKS[column.role])
    axes.axhline(curve.majority, color=_GREY, linestyle=":", label="majority baseline")
    _label(axes, curve)


def _draw_curve(axes: Axes, points: Sequence[tuple[float, Spread]], look: _Look) -> None:
    places = [place for place, _ in points]
    means = [found.mean for _, found in points]
    widths = [_width(found) for _, found in points]
    name = f"{look.name}, {_seeds([found for _, found in points])}"
    line: dict[str, Any] = {"color": look.colour, "linestyle": look.dashes, "marker": look.marker}
    axes.plot(places, means, markersize=5, label=name, zorder=3, **line)
    low, high = (
        [mean + sign * width for mean, width in zip(means, widths, strict=True)] for sign in (-1, 1)
    )
    axes.fill_between(places, low, high, color=look.colour, alpha=0.18, linewidth=0)
    axes.vlines(places, low, high, color=look.colour, linewidth=1)  # the band of a single one
    scores = [
        (place, score, seed in found.failed)
        for place, found in points
        for seed, score in found.scores.items()
    ]
    for failed, marker, size in ((False, look.marker, 14), (True, "x", 40)):
        chosen = [(place, score) for place, score, bad in scores if bad is failed]
        style: dict[str, Any] = {"s": size, "marker": marker, "linewidths": 0.9, "zorder": 4}
        if failed:
            style |= {"color": look.colour, "label": f"{look.name}, failed seed"}
        else:
            style |= {"edgecolors": look.colour, "facecolors": "none"}
        if chosen:
            axes.scatter(*zip(*chosen, strict=True), **style)


def _draw_line(axes: Axes, label: str, found: Spread, look: _Look) -> None:
    name = f"{label}, {_seeds([found])}"
    axes.axhline(found.mean, color=look.colour, linestyle=look.dashes, label=name)
    width = _width(found)
    if width:
        low, high = found.mean - width, found.mean + width
        axes.axhspan(low, high, color=look.colour, alpha=0.1, linewidth=0)


def _width(found: Spread) -> float:
    """Half the height of a band: the deviation, and none of one seed."""
    return 0.0 if math.isnan(found.deviation) else found.deviation


def _seeds(found: Sequence[Spread]) -> str:
    numbers = sorted({len(each.scores) for each in found})
    return f"{' to '.join(map(str, numbers[:1] + numbers[1:][-1:]))} seed{'s' * (numbers != [1])}"


def _scale(axes: Axes, steps: Sequence[int]) -> dict[int, float]:
    """Chooses the axis on which the two checkpoints that are nearest stand further apart.

    Returns:
      The place of each step. Zero, which a logarithmic axis lacks, is a tenth of the first.
    """
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    positive = [step for step in steps if step > 0]
    places = {step: float(step or positive[0] / 10) for step in steps} if positive else {}
    logs = [math.log10(place) for place in places.values()]
    if _evenness(logs) <= _evenness(steps):
        if len(steps) < 2:
            axes.set_xticks(steps)
        return {step: float(step) for step in steps}
    axes.set_xscale("log")
    ticks = [steps[0]]
    for step, place in zip(steps, logs, strict=True):
        if place - math.log10(places[ticks[-1]]) > (logs[-1] - logs[0]) / _MOST_TICKS:
            ticks.append(step)
    axes.set_xticks([places[step] for step in ticks], [f"{step:,}" for step in ticks])
    axes.set_xticks([], minor=True)
    return places


def _name_costs(axes: Axes, columns: Sequence[Column]) -> None:
    """Writes below the steps what they have cost, where that is known of all."""
    known = {c.step: c.flops for c in columns if c.step is not None and c.flops is not None}
    if not known or len(known) < len({column.step for column in columns}):
        return
    steps = sorted(known)
    costs = [known[step] for step in steps]

    def named(step: float) -> str:
        return f"{step:,.0f}\n{format_flops(float(np.interp(step, steps, costs)))}"

    axes.set_xlabel("pretraining steps, and their FLOPs")
    if axes.get_xscale() == "log":
        labels = [label.get_text() for label in axes.get_xticklabels()]
        shown = [named(float(label.replace(",", ""))) for label in labels]
        axes.set_xticks(list(axes.get_xticks()), shown)
    else:
        axes.xaxis.set_major_formatter(lambda step, _: named(step))


def _evenness(places: Sequence[float]) -> float:
    """The smallest distance of neighbours as a share of the whole; 0 of fewer than three."""
    if len(places) < 3:
        return 0.0
    gaps = [right - left for left, right in pairwise(places)]
    return min(gaps) / (places[-1] - places[0])


def _label(axes: Axes, curve: Curve) -> None:
    axes.set_ylabel(f"{curve.metric} ({_UNITS.get(curve.metric, 'share, 1 is best')})")
    axes.set_title(textwrap.fill(curve.title, _WIDE), loc="left", fontsize=11)
    tidy(axes)
    lines, names = axes.get_legend_handles_labels()
    several = any(len(column.scores) > 1 for column in curve.columns)
    axes.figure.legend(
        lines,
        names,
        loc="outside lower center",
        ncols=2 if max(map(len, names)) < _WIDE // 2 else 1,
        title="lines: means; bands: ± one standard deviation of the seeds" if several else None,
        frameon=False,
        fontsize=9,
        title_fontsize=9,
    )
