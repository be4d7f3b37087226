"""What all pictures share: colours, letters, and that the same numbers give the same bytes."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, filterwarnings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["svg", "png"]

# Those of Okabe and Ito, which colour-blind people tell apart.
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, ORANGE, SKY = "#cc79a7", "#e69f00", "#56b4e9"
GRID = "#dddddd"
DOTS_PER_INCH = 160

_METADATA: dict[Kind, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "electra"},
    "png": {"Software": "electra"},
}


@contextmanager
def style(**settings: Any) -> Iterator[None]:
    """Draws and saves, inside, as all pictures are drawn: whatever the user's own settings are.

    Args:
      **settings: More of matplotlib's, a dot in a name written as two underscores.
    """
    # Fonts are looked up at the first import, which others need not hear of.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # No window is opened, and what a notebook names there this Python may not have.
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib

    fixed = {"svg.hashsalt": "electra", "font.size": 10, "text.parse_math": False}
    more = {name.replace("__", "."): value for name, value in settings.items()}
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **fixed, **more}), catch_warnings():
        filterwarnings("ignore", "Glyph")  # a name in letters that the font lacks becomes boxes
        yield


def image_of(figure: Figure, kind: Kind) -> bytes:
    """A figure as a file: no date in it, no random ids."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, metadata=_METADATA[kind])
    return drawn.getvalue()


def tidy(axes: Axes, grid: str = GRID) -> None:
    """Puts a pale grid behind, and leaves out the frame where no axis is."""
    axes.grid(color=grid, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
