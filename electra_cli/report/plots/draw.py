"""Panels as pictures: one of each for a page, or all of them in one file.

A page shows a picture light or dark: colours stand in its SVG as variables of the page's style
sheet, `--run-0` and so on, beside letters that are text in the font of the page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from xml.etree import ElementTree

from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.metrics.names import format_flops
from electra_cli.report.plots.along import Along
from electra_cli.report.plots.axes import COLOURS, draw
from electra_cli.report.plots.panels import Panel, panels
from electra_cli.report.plots.style import DOTS_PER_INCH, Kind, image_of, style
from electra_cli.report.record import RunRecord

_INCHES = (4.6, 2.8)  # at 72 dots an inch a little narrower than the page shows it
_EDGES = {"left": 0.125, "right": 0.735, "bottom": 0.15, "top": 0.97}
_COLUMNS = 3
_TITLE_LETTERS, _TITLE_LINES = 100, 3
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
        draw(axes, panel)
        drawn = image_of(figure, "svg")
    return _for_page(drawn, panel.metric)


def figure(records: Sequence[RunRecord], path: Path, kind: Kind, along: Along = "steps") -> None:
    """Draws all panels of runs into one file, which is there whole or not at all.

    Args:
      records: The runs.
      path: The file.
      kind: Its format.
      along: What the horizontal axes have.

    Raises:
      OSError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    shown = panels(records, along)
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    width, height = _INCHES
    with style():
        whole = Figure(
            figsize=(_COLUMNS * width * 0.95, rows * (height + 0.45) + 0.9),
            dpi=DOTS_PER_INCH,
            layout="constrained",
            facecolor="white",
        )
        names = ", ".join(map(_named, records)) or "no runs"
        title = wrap(names, _TITLE_LETTERS, max_lines=_TITLE_LINES, placeholder=" …")
        whole.suptitle("\n".join(title), fontsize=13)
        places = whole.subplots(rows, _COLUMNS, squeeze=False).flat
        for axes in places[len(shown) :]:
            axes.set_axis_off()
        if not shown:
            places[0].text(0, 0.5, "Nothing was logged yet.")
        for axes, panel in zip(places, shown, strict=False):
            draw(axes, panel)
            axes.set_title(f"{panel.title}\n", loc="left", fontsize=11)
            axes.text(0, 1.02, panel.unit, transform=axes.transAxes, color=COLOURS["muted"])
        whole.supxlabel(_legend(shown), fontsize=9, color=COLOURS["muted"])
        drawn = image_of(whole, kind)
    atomic_write_bytes(path, drawn)


def _named(record: RunRecord) -> str:
    """A run, and what it has computed: steps of runs may differ in that."""
    return f"{record.name} ({format_flops(record.cost.flops)} FLOPs)"


def _legend(shown: Sequence[Panel]) -> str:
    published = {c.name for panel in shown for c in panel.curves if c.role == "published"}
    words = ["Thick lines with marks: held-out data; thin ones: training; dashed grey: baselines"]
    return "; ".join([*words, *(f"wide grey: {name}" for name in sorted(published))])


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
