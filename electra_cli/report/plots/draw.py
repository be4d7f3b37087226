"""Panels as pictures: one of each for a page, or all of them in one file.

A page shows a picture light or dark: the colours below stand in its SVG as variables of its style
sheet, `--run-0` and so on, beside letters that are text in the font of the page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.report.plots.panels import Curve, Panel, panels, shortened
from electra_cli.report.plots.style import (
    BLUE,
    DOTS_PER_INCH,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Kind,
    image_of,
    style,
    tidy,
)
from electra_cli.report.record import RunRecord

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
        for number, colour in enumerate((BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY))
    },
}
RUN_COLOURS = sum(name.startswith("run-") for name in COLOURS)
DASHES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP*X"

_INCHES = (4.6, 2.8)  # at 72 dots an inch a little narrower than the page shows it
_EDGES = {"left": 0.125, "right": 0.735, "bottom": 0.1, "top": 0.97}
_COLUMNS = 3
_MOST_MARKERS = 25
_LONGEST_NAME = 10
_NEARLY = 0.9  # of a run: an evaluation there is as good as at its end
_ALL_DIGITS = 6  # of a tick, which is a round number
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"(-?\d+\.\d)\d+")


def svg_of(panel: Panel) -> str:
    """Draws a panel for a page, without its title: an `svg` element to stand in HTML.

    Its names are unlike those of any other panel, so that several can stand in one page.
    """
    from matplotlib.figure import Figure

    with style(svg__fonttype="none"):
        figure = Figure(figsize=_INCHES)
        axes = figure.subplots(gridspec_kw=_EDGES)
        for patch in (figure.patch, axes.patch):  # the page shows through
            patch.set_visible(False)
        _draw(axes, panel)
        drawn = image_of(figure, "svg")
    return _for_page(drawn, panel.metric)


def figure(records: Sequence[RunRecord], path: Path, kind: Kind) -> None:
    """Draws all panels of runs into one file, which is there whole or not at all.

    Raises:
      OSError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    shown = panels(records)
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    width, height = _INCHES
    with style():
        whole = Figure(
            figsize=(_COLUMNS * width * 0.95, rows * (height + 0.45) + 0.9),
            dpi=DOTS_PER_INCH,
            layout="constrained",
            facecolor="white",
        )
        whole.suptitle(", ".join(record.name for record in records) or "no runs", fontsize=13)
        places = whole.subplots(rows, _COLUMNS, squeeze=False).flat
        for axes in places[len(shown) :]:
            axes.set_axis_off()
        if not shown:
            places[0].text(0, 0.5, "Nothing was logged yet.")
        for axes, panel in zip(places, shown, strict=False):
            _draw(axes, panel)
            axes.set_title(f"{panel.title}\n", loc="left", fontsize=11)
            axes.text(0, 1.02, panel.unit, transform=axes.transAxes, color=COLOURS["muted"])
        whole.supxlabel(_legend(shown), fontsize=9, color=COLOURS["muted"])
        drawn = image_of(whole, kind)
    atomic_write_bytes(path, drawn)


def _legend(shown: Sequence[Panel]) -> str:
    published = {c.name for panel in shown for c in panel.curves if c.role == "published"}
    words = ["Thick lines with marks: held-out data; thin ones: training; dashed grey: baselines"]
    return "; ".join([*words, *(f"wide grey: {name}" for name in sorted(published))])


def look(curve: Curve) -> dict[str, Any]:
    """How the line of a curve is drawn; runs differ in colour, dashes and markers."""
    if curve.role == "published":
        return {"color": COLOURS["published"], "linewidth": 3.2, "zorder": 1}
    colour, dashes = (
        COLOURS[f"run-{curve.run % RUN_COLOURS}"],
        DASHES[curve.run % len(DASHES)],
    )
    return {"color": colour, "linestyle": dashes, "zorder": 3 + (curve.role == "held-out")}


def _draw(axes: Axes, panel: Panel) -> None:
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
        axes.axhline(
            line.value, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1.1, zorder=2
        )
    axes.margins(y=0.1)
    axes.set_ylim(panel.window or axes.get_ylim())  # what is written now moves no curve
    _name_baselines(axes, panel)
    _name_curves(axes, panel, held_out)


def _scale(axes: Axes, panel: Panel) -> None:
    if panel.first_step is not None:
        axes.set_xscale("symlog", linthresh=panel.first_step, linscale=0.3)
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.set_xlim(0, panel.last_step * (1 if panel.first_step is None else 1.1))
    corner: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 9, "color": COLOURS["muted"]}
    axes.text(1.06, -0.035, "steps", va="top", **corner)
    axes.xaxis.set_major_formatter(lambda step, _: shortened(step, _ALL_DIGITS))
    if panel.log_values:
        axes.set_yscale("log")
    else:
        axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: shortened(value, _ALL_DIGITS))


def _draw_curve(axes: Axes, curve: Curve, *, pale: bool, clip: bool) -> None:
    points, drawn = curve.points, look(curve)
    number = len(points.steps)
    if curve.role == "held-out" or number == 1:
        drawn |= {"marker": MARKERS[curve.run % len(MARKERS)], "markersize": 4.5}
        drawn |= {"markevery": None if number <= _MOST_MARKERS else 1.2 / _MOST_MARKERS}
    alpha, width = (0.45, 1.1) if pale else (1.0, 1.8)
    drawn["clip_on"] = clip  # else the last mark stands whole on the edge
    axes.plot(points.steps, points.means, **{"linewidth": width, "alpha": alpha} | drawn)
    if not points.is_exact:
        colour = {"color": drawn["color"], "alpha": 0.18, "linewidth": 0}
        axes.fill_between(points.steps, points.low, points.high, **colour)


def _place(axes: Axes, steps: Any, values: Any) -> Any:
    """Where points are as shares of the width and the height, [P, 2]."""
    to_share = axes.transData + axes.transAxes.inverted()
    return to_share.transform(np.column_stack([steps, values]))


def _name_baselines(axes: Axes, panel: Panel) -> None:
    """Writes the name of each line above or below it, at the end where nothing else is."""
    drawn = [_place(axes, c.points.steps, c.points.means) for c in panel.curves]  # [P, 2] each
    across = np.linspace(0, panel.last_step, 30)
    drawn += [_place(axes, across, np.full(30, line.value)) for line in panel.baselines]
    taken = np.concatenate(drawn)
    taken = taken[np.isfinite(taken).all(axis=1)]  # [P, 2]
    low, high = panel.window or (-math.inf, math.inf)
    hidden = {1: 0, -1: 0}
    for line in panel.baselines:
        name = f"{_short(line.name, 34)}: {shortened(line.value)}"
        half = 0.011 * len(name)  # of its width
        height = _place(axes, [1], [line.value])[0, 1]
        choices = []
        for where in (1, 0):
            for above in (1, -1):
                middle = abs(where - half), height + 0.045 * above
                apart = np.abs(taken - middle) / (half, 0.042)  # [P, 2], 1: it touches
                free = apart.max(axis=1).min(initial=3.0)
                choices.append((free if 0.02 < middle[1] < 0.99 else -1, where, above))
        _, where, above = max(choices, key=lambda choice: round(choice[0], 1))
        if not low < line.value < high:  # its name stands at the edge behind which it is
            where, above = 1, -1 if line.value >= high else 1
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
    ends = {curve.run: curve.last_step for curve in panel.curves if curve.role == "training"}
    for curve, height in zip(named, _apart(heights, 0.085), strict=True):
        name = curve.role if len(runs) == 1 or curve.role == "published" else curve.name
        if curve.role == "held-out" and curve.last_step < _NEARLY * ends.get(curve.run, 0):
            name = f"at {shortened(curve.last_step)}"
        drawn = look(curve)
        marker = MARKERS[curve.run % len(MARKERS)] if curve.role == "held-out" else "_"
        pale = 0.6 if curve.role == "training" and curve.run in held_out else 1.0
        mark = {"marker": marker, "color": drawn["color"], "alpha": pale, "markersize": 5}
        axes.plot(1.035, height, transform=axes.transAxes, clip_on=False, **mark)
        axes.text(
            1.06,
            height,
            f"{shortened(curve.last)} {_short(name, _LONGEST_NAME)}",
            transform=axes.transAxes,
            va="center_baseline",
            fontsize=9.5,
            color=COLOURS["ink"],
        )


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Moves heights as little as needed to have a distance from each other, and into 0 to 1."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved = [min(max(heights[index], 0.0), 1.0) for index in order]
    for _ in range(50):
        for low, high in pairwise(range(len(moved))):
            lacking = least - (moved[high] - moved[low])
            if lacking > 1e-6:
                moved[low] -= lacking / 2
                moved[high] += lacking / 2
        shift = min(0.0, 1.0 - max(moved)) + max(0.0, -min(moved)) if moved else 0.0
        moved = [height + shift for height in moved]
    return [moved[order.index(index)] for index in range(len(heights))]


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _for_page(drawn: bytes, prefix: str) -> str:
    """Takes out of a file what only a file needs, and names what is left for this page."""
    root = ElementTree.fromstring(drawn)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", f"{prefix}-{name}")
        for key in ("d", "x", "y", "transform"):
            if key in element.attrib:
                element.set(key, _NUMBER.sub(r"\1", element.attrib[key]))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for name, colour in COLOURS.items():
        text = text.replace(f": {colour}", f": var(--{name})")
    return text
