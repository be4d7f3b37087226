"""A panel on its axes: curves with their last values, and baselines with their names.

Shapes: P points of curves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from os.path import commonprefix
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from electra_cli.report.plots.along import LABELS
from electra_cli.report.plots.panels import Curve, Panel, shortened
from electra_cli.report.plots.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "ink": "#1f2328",
    "muted": "#59636e",
    "grid": "#e1e4e8",
    "published": "#9a9da3",
    "paper": "#fefefe",
    **{
        f"run-{number}": colour
        for number, colour in enumerate((BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY))
    },
}
RUN_COLOURS = sum(name.startswith("run-") for name in COLOURS)
DASHES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP*X"

_MOST_MARKERS = 25
_LONGEST_NAME = 10
_NEARLY = 0.9  # of a run: an evaluation there is as good as at its end
_ALL_DIGITS = 6  # of a tick, which is a round number
_COST_DIGITS = 2  # of what stands below it, which is none


def draw(axes: Axes, panel: Panel) -> None:
    """Draws a panel, but for its title."""
    axes.tick_params(labelsize=10, labelcolor=COLOURS["muted"], color=COLOURS["grid"])
    for spine in axes.spines.values():
        spine.set_color(COLOURS["muted"])
    tidy(axes, COLOURS["grid"])
    _scale(axes, panel)
    held_out = {curve.run for curve in panel.curves if curve.role == "held-out"}
    for curve in panel.curves:
        pale = curve.role == "training" and curve.run in held_out
        _draw_curve(axes, curve, pale=pale, clip=panel.window is not None)
    for line in panel.baselines:
        muted: dict[str, Any] = {"color": COLOURS["muted"], "zorder": 2}
        for height in {line.low, line.high} if line.is_band else {line.low}:
            axes.axhline(height, linestyle=(0, (4, 3)), linewidth=1.1, **muted)
        if line.is_band:
            axes.axhspan(line.low, line.high, alpha=0.12, linewidth=0, **muted)
    axes.margins(y=0.1)
    axes.set_ylim(panel.window or axes.get_ylim())  # what is written now moves no curve
    _name_baselines(axes, panel)
    _name_curves(axes, panel, held_out)


def _look(curve: Curve) -> dict[str, Any]:
    """How the line of a curve is drawn; runs differ in colour, dashes and markers."""
    if curve.role == "published":
        return {"color": COLOURS["published"], "linewidth": 3.2, "zorder": 1}
    colour = COLOURS[f"run-{curve.run % RUN_COLOURS}"]
    dashes = DASHES[curve.run % len(DASHES)]
    return {"color": colour, "linestyle": dashes, "zorder": 3 + (curve.role == "held-out")}


def _scale(axes: Axes, panel: Panel) -> None:
    if panel.begin is not None:
        axes.set_xscale("symlog", linthresh=panel.begin, linscale=0.3)
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.set_xlim(0, panel.end * (1 if panel.begin is None else 1.1))
    corner: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 9, "color": COLOURS["muted"]}
    a_step = panel.flops_a_step

    def tick(place: float, _: object) -> str:
        if panel.along == "flops":
            return _exponent(place, _ALL_DIGITS)
        shown = shortened(place, _ALL_DIGITS)
        return shown if a_step is None else f"{shown}\n{_exponent(place * a_step, _COST_DIGITS)}"

    label = LABELS[panel.along] + ("" if a_step is None else "\nFLOPs")
    axes.text(1.06, -0.035, label, va="top", linespacing=1.4, **corner)
    axes.xaxis.set_major_formatter(tick)
    if panel.log_values:
        axes.set_yscale("log")
    else:
        axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: shortened(value, _ALL_DIGITS))


def _exponent(number: float, digits: int) -> str:
    """A number of FLOPs: 1.2e15."""
    mantissa, _, exponent = f"{number:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}" if number else "0"


def _draw_curve(axes: Axes, curve: Curve, *, pale: bool, clip: bool) -> None:
    points, drawn = curve.points, _look(curve)
    number = len(points.places)
    if curve.role == "held-out" or number == 1:
        drawn |= {"marker": MARKERS[curve.run % len(MARKERS)], "markersize": 4.5}
        drawn |= {"markevery": None if number <= _MOST_MARKERS else 1.2 / _MOST_MARKERS}
    alpha, width = (0.45, 1.1) if pale else (1.0, 1.8)
    drawn["clip_on"] = clip  # else the last mark stands whole on the edge
    axes.plot(points.places, points.means, **{"linewidth": width, "alpha": alpha} | drawn)
    if not points.is_exact:
        colour = {"color": drawn["color"], "alpha": 0.18, "linewidth": 0}
        axes.fill_between(points.places, points.low, points.high, **colour)


def _place(axes: Axes, steps: Any, values: Any) -> Any:
    """Where points are as shares of the width and the height, [P, 2]."""
    to_share = axes.transData + axes.transAxes.inverted()
    return to_share.transform(np.column_stack([steps, values]))


def _name_baselines(axes: Axes, panel: Panel) -> None:
    """Writes the name of each line above or below it, at the end where nothing else is."""
    drawn = [_place(axes, c.points.places, c.points.means) for c in panel.curves]  # [P, 2] each
    across = np.linspace(0, panel.end, 30)
    drawn += [
        _place(axes, across, np.full(30, height))
        for line in panel.baselines
        for height in (line.low, line.high)
    ]
    taken = np.concatenate(drawn)
    taken = taken[np.isfinite(taken).all(axis=1)]  # [P, 2]
    low, high = panel.window or (-math.inf, math.inf)
    hidden = {1: 0, -1: 0}
    for line in panel.baselines:
        name = f"{line.name}: {line.range}"
        half = 0.011 * len(name)  # of its width
        bottom, top = _place(axes, [1, 1], [line.low, line.high])[:, 1]
        choices = []
        for where in (1, 0):
            for above in (1, -1):
                height = top if above > 0 else bottom
                middle = abs(where - half), height + 0.045 * above
                apart = np.abs(taken - middle) / (half, 0.042)  # [P, 2], 1: it touches
                free = apart.max(axis=1).min(initial=3.0)
                choices.append((free if 0.02 < middle[1] < 0.99 else -1, where, above))
        _, where, above = max(choices, key=lambda choice: round(choice[0], 1))
        height = top if above > 0 else bottom
        if not low < line.low <= line.high < high:  # its name stands at the edge behind which it is
            where, above = 1, -1 if line.high >= high else 1
            height = (above < 0) + 0.075 * above * hidden[above]
            hidden[above] += 1
            name += " ↑" if above < 0 else " ↓"
        text: dict[str, Any] = {"fontsize": 9, "color": COLOURS["muted"], "zorder": 6}
        text |= {"ha": ("left", "right")[where], "va": ("top", "bottom")[above > 0]}
        box = {"facecolor": COLOURS["paper"], "alpha": 0.85, "linewidth": 0, "pad": 0.6}
        place = (0.99 if where else 0.01, height + 0.012 * above)
        axes.text(*place, name, transform=axes.transAxes, bbox=box, **text)
        x = np.linspace(0, 2 * half, 9) if not where else np.linspace(1 - 2 * half, 1, 9)
        here = np.column_stack([x, np.full(9, height + 0.045 * above)])
        taken = np.concatenate([taken, here])


def _name_curves(axes: Axes, panel: Panel, held_out: set[int]) -> None:
    """Writes the last value of each curve and what it is beside the end of the axis."""
    runs = {curve.run for curve in panel.curves if curve.role != "published"}
    named = [
        curve
        for curve in panel.curves
        if curve.role != "training" or len(runs) == 1 or curve.run not in held_out
    ]
    known = [curve.points.means[np.isfinite(curve.points.means)] for curve in named]
    heights = [float(_place(axes, [1], means[-1:])[0, 1]) if means.size else 0.0 for means in known]
    names = [curve.name for curve in panel.curves if curve.role != "published"]
    alike = commonprefix(names)  # noqa: RUF071, letter by letter is meant
    ends = {curve.run: curve.last_step for curve in panel.curves if curve.role == "training"}
    for curve, height in zip(named, _apart(heights, 0.085), strict=True):
        name = curve.role if len(runs) == 1 or curve.role == "published" else curve.name
        if curve.role == "held-out" and curve.last_step < _NEARLY * ends.get(curve.run, 0):
            name = f"at {shortened(curve.last_step)}"
        drawn = _look(curve)
        marker = MARKERS[curve.run % len(MARKERS)] if curve.role == "held-out" else "_"
        pale = 0.6 if curve.role == "training" and curve.run in held_out else 1.0
        mark = {"marker": marker, "color": drawn["color"], "alpha": pale, "markersize": 5}
        axes.plot(1.035, height, transform=axes.transAxes, clip_on=False, **mark)
        axes.text(
            1.06,
            height,
            f"{shortened(curve.last)} {_short(name, alike)}",
            transform=axes.transAxes,
            va="center_baseline",
            fontsize=9.5,
            color=COLOURS["ink"],
        )


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Moves heights as little as needed to have a distance from each other, and into 0 to 1.

    Without the distances that have to lie below them they need only ascend: neighbours that do not
    share their mean (isotonic regression by pooling).
    """
    least = min(least, 1 / max(1, len(heights)))  # many share what room there is
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[list[float]] = []
    for place, index in enumerate(order):
        pools.append([heights[index] - place * least])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    ascending = [fmean(pool) for pool in pools for _ in pool]
    highest = 1 - (len(heights) - 1) * least
    moved = {
        index: min(max(height, 0.0), highest) + place * least
        for place, (index, height) in enumerate(zip(order, ascending, strict=True))
    }
    return [moved[index] for index in range(len(heights))]


def _short(name: str, alike: str) -> str:
    """A name as there is room for it; what all of them begin with is left out first."""
    if len(name) > _LONGEST_NAME and alike != name:
        name = name.removeprefix(alike)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
