"""How far a piece of work is, in one line that fits its place: plain text, no terminal.

The share that is done, the total and one time always stand there, then the first number of its
status, then a bar, or the curve of a number in its place, then what else is known. What has no
room is left out from the least important on; nothing is cut but the description.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from electra_cli.cli.screen.sparkline import Sparkline
from electra_cli.cli.screen.text import one_line, shortened, width_of
from electra_cli.errors import format_duration

_SECONDS_BETWEEN_LINES = 5.0
_SHORTEST_BAR, _LONGEST_BAR = 8, 40


@dataclass(frozen=True)
class Glyphs:
    """What bars and curves are drawn with.

    Attributes:
      done: The part of a bar that is done.
      left: The rest of it.
      levels: The heights of a curve, the lowest first.
      ellipsis: For what was cut.
    """

    done: str
    left: str
    levels: str
    ellipsis: str


UNICODE = Glyphs("━", "╌", "▁▂▃▄▅▆▇█", "…")
ASCII = Glyphs("#", ".", "_-=^", "...")


class ProgressReporter:
    """Takes in how far the work is; `update` may be called as often as one likes.

    Args:
      description: What is being done, in one line.
      total: The value of `update` at which it is done; None for no end, and no bar.
      counted: Show "12/300" besides the percentage.
      note: Receives every few seconds a function that makes a plain line for a width, where there
        is no terminal to draw on.
      glyphs: What the line is drawn with.
    """

    def __init__(
        self,
        description: str,
        total: float | None,
        *,
        counted: bool,
        note: Callable[[Callable[[int], str]], None] | None,
        glyphs: Glyphs = UNICODE,
    ) -> None:
        self._description = description
        self._total = math.inf if total is None else total
        self._counted = counted
        self._note = note
        self._glyphs = glyphs
        self._completed = 0.0
        self._parts: Sequence[str] = ()
        self._more: Sequence[str] = ()
        self._curve = Sparkline()
        self._begin = self._last_line = self._at = time.monotonic()
        self._found: float | None = None
        self._left: float | None = None

    def update(
        self,
        completed: float,
        status: str | Sequence[str] = "",
        *,
        more: Sequence[str] = (),
        curve: float | None = None,
        left: float | None = None,
    ) -> None:
        """Takes in that `completed` of the total is done.

        Args:
          completed: How much is done.
          status: A text, or parts, the most important first; what has no room is not shown.
          more: Further parts, less important than that a bar and a curve have room side by side.
          curve: The next value of the curve.
          left: Seconds until the end, where more is known than the speed so far; NaN if nobody
            can tell yet.
        """
        self._at = time.monotonic()
        is_first = self._found is None
        if self._found is None:
            # Work found done already, and the time to get started, say nothing about the speed.
            self._found, self._since = completed, self._at
        if left is None:
            done, spent = completed - self._found, self._at - self._since
            left = spent * (self._total - completed) / done if done > 0 else math.nan
        parts = [status] if isinstance(status, str) else status
        self._completed, self._parts = completed, [part for part in parts if part]
        self._more = [part for part in more if part]
        self._left = left if math.isfinite(left) else None
        if curve is not None:
            self._curve.add(curve)
        if self._note is None:
            return
        is_due = self._at - self._last_line >= _SECONDS_BETWEEN_LINES
        if not (is_due or completed >= self._total or (is_first and status)):
            return
        self._last_line = self._at
        self._note(self.plain_line)

    def plain_line(self, width: int) -> str:
        """The line of now without bar and curve, in at most `width` columns."""
        line = self._head(width)
        for part in (*self._parts, *self._more):
            if width_of(f"{line}, {part}") > width:
                break
            line += f", {part}"
        return line

    def line(self, width: int) -> str:
        """The line of now, in at most `width` columns."""
        head = self._head(width)
        room = width - width_of(head) - 2
        tail = ""
        for part, beside in self._ranked():
            longer = f"{tail} {part}".lstrip()
            if width_of(longer) + beside > room:
                break
            tail = longer
        graph = self._graph(room - (width_of(tail) + 2 if tail else 0))
        return "  ".join(filter(None, (head, graph, tail)))

    def _ranked(self) -> Iterator[tuple[str, int]]:
        """All parts, the most important first, and the room that each must leave."""
        for number, part in enumerate(self._parts):
            yield one_line(part), _SHORTEST_BAR + 2 if number else 0
        for part in self._more:
            yield one_line(part), (2 * _SHORTEST_BAR + 1 if self._curve else _SHORTEST_BAR) + 2

    def _graph(self, room: int) -> str:
        """A bar and a curve, the curve alone, or the bar of what has none."""
        if room < _SHORTEST_BAR:
            return ""
        length = min(_LONGEST_BAR, room)
        if not self._curve:
            return self._bar(length) if math.isfinite(self._total) else ""
        if room <= 2 * _SHORTEST_BAR or math.isinf(self._total):
            return self._curve.drawn(length, self._glyphs.levels)
        bar = self._bar(min(_LONGEST_BAR, (room - 1) // 2))
        length = min(_LONGEST_BAR, room - 1 - len(bar))
        return f"{bar} {self._curve.drawn(length, self._glyphs.levels)}"

    def _bar(self, length: int) -> str:
        full = math.floor(length * self._share())
        return self._glyphs.done * full + self._glyphs.left * (length - full)

    def _share(self) -> float:
        return min(1.0, self._completed / self._total) if self._total else 1.0

    def _head(self, width: int) -> str:
        """What always stands there: without description or count where there is no room."""
        now = time.monotonic()
        has_end = math.isfinite(self._total)
        of = f"/{self._total:,.0f}" if has_end else ""
        counted = f"{self._completed:,.0f}{of}, " if self._counted else ""
        if self._completed >= self._total:
            percent, when = "100%", f"in {format_duration(now - self._begin)}"
        else:
            percent = f"{min(99, round(100 * self._share()))}%"
            if self._left is None:
                when = f"{format_duration(now - self._begin)} so far"
            else:
                when = f"{format_duration(max(0.0, self._left - (now - self._at)))} left"
        described = shortened(self._description, max(12, 2 * width // 5), self._glyphs.ellipsis)
        numbers = f"{percent}, {when}" if has_end else when
        shortest = percent if has_end else f"{self._completed:,.0f}"
        heads = (f"{described}: {counted}{numbers}", f"{counted}{numbers}", numbers, shortest, "")
        return next(head for head in heads if width_of(head) <= width)
