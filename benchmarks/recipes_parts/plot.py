"""Results as a picture: a panel for each metric, a line for each recipe."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.metrics.names import format_flops
from electra_cli.report.plots.style import BLUE, GREEN, VERMILION, Kind, image_of, style, tidy
from recipes_parts.compare import FALLING, difference, figure
from recipes_parts.results import Result

_COLOURS = {"better": GREEN, "worse": VERMILION}
_WIDE, _HIGH, _EDGE = 3.4, 0.34, 1.3  # inches of a panel, of a recipe, of what is around them


def write(
    results: Sequence[Result], reference: str, metrics: Sequence[str], path: Path, title: str
) -> None:
    """Draws results; without any the picture says so.

    Args:
      results: Of all recipes, in their order.
      reference: The recipe that the others are compared with.
      metrics: A panel each.
      path: The file, .png or .svg.
      title: Above all.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(result.recipe for result in results))
    kind: Kind = "svg" if path.suffix == ".svg" else "png"
    with style(svg__fonttype="none"):
        size = (_WIDE * len(metrics) + 1.5, _HIGH * max(4, len(names)) + _EDGE)
        whole = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
        whole.suptitle(title, fontsize=11)
        if not names:
            whole.text(0.5, 0.5, "No run has finished yet.", ha="center")
        else:
            row = whole.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
            for axes, metric in zip(row, metrics, strict=True):
                tidy(axes)
                _panel(axes, results, names, reference, metric)
            row[0].set_yticks(range(len(names)), [_named(results, name) for name in names])
            row[0].set_ylim(len(names) - 0.5, -0.5)
            whole.supxlabel(
                "circles: seeds; bars: mean ± standard deviation; dashed: mean of the reference\n"
                "green, red: better, worse beyond the noise of the pairs",
                fontsize=9,
            )
        drawn = image_of(whole, kind)
    atomic_write_bytes(path, drawn)


def _named(results: Sequence[Result], name: str) -> str:
    """A recipe, and what its runs have computed."""
    flops = [result.flops for result in results if result.recipe == name]
    return f"{name}, {format_flops(statistics.fmean(flops))} FLOPs"


def _panel(
    axes: object, results: Sequence[Result], names: Sequence[str], reference: str, metric: str
) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    base = figure(results, reference, metric)
    if base.values:
        axes.axvline(base.mean, color="#555555", linestyle="--", linewidth=1)
    for place, name in enumerate(names):
        found = figure(results, name, metric)
        if not found.values:
            continue
        verdict = "" if name == reference else difference(results, name, reference, metric).verdict
        colour = _COLOURS.get(verdict, BLUE)
        axes.scatter(
            list(found.values.values()), [place] * len(found.values), s=22, marker="o",
            facecolors="none", edgecolors=colour, zorder=3,
        )  # fmt: skip
        spread = 0.0 if math.isnan(found.deviation) else found.deviation
        axes.errorbar(
            found.mean, place, xerr=spread, fmt="|", color=colour, markersize=11, zorder=4
        )
    axes.set_title(f"{metric} ({'less' if metric in FALLING else 'more'} is better)", fontsize=10)
    axes.locator_params(axis="x", nbins=5)
