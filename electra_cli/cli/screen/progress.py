"""How far a piece of work is, in one line that fits its place: plain text, no terminal.

The share that is done, the total and one time always stand there; the bar and what else is known
take the room that is left.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from electra_cli.errors import format_duration

_SECONDS_BETWEEN_LINES = 5.0
_SHORTEST_BAR, _LONGEST_BAR = 8, 40


class ProgressReporter:
    """Takes in how far the work is; `update` may be called as often as one likes.

    Args:
      description: What is being done.
      total: The value of `update` at which it is done.
      counted: Show "12/300" besides the percentage.
      note: Receives a plain line every few seconds, where there is no terminal to draw on.
    """

    def __init__(
        self, description: str, total: float, *, counted: bool, note: Callable[[str], None] | None
    ) -> None:
        self._description = description
        self._total = total
        self._counted = counted
        self._note = note
        self._completed = 0.0
        self._parts: Sequence[str] = ()
        self._begin = self._last_line = self._at = time.monotonic()
        self._found: float | None = None
        self._left: float | None = None

    def update(
        self, completed: float, status: str | Sequence[str] = "", *, left: float | None = None
    ) -> None:
        """Takes in that `completed` of the total is done.

        Args:
          completed: How much is done.
          status: A text, or parts, the most important first; what has no room is not shown.
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
        self._left = None if math.isnan(left) else left
        if self._note is None:
            return
        is_due = self._at - self._last_line >= _SECONDS_BETWEEN_LINES
        if not (is_due or completed >= self._total or (is_first and status)):
            return
        self._last_line = self._at
        self._note(", ".join([self._head(), *self._parts]))

    def line(self, width: int) -> str:
        """The line of now, in at most `width` columns."""
        head = self._head()
        room = width - len(head) - 2
        if room < _SHORTEST_BAR:
            return head.removeprefix(f"{self._description}: ") if room < -2 else head
        tail = ""
        for part in self._parts:
            longer = f"{tail}{' ' if tail else '  '}{part}"
            if len(longer) + _SHORTEST_BAR > room:
                break
            tail = longer
        length = min(_LONGEST_BAR, room - len(tail))
        full = math.floor(length * self._share())
        return f"{head}  {'━' * full}{'╌' * (length - full)}{tail}"

    def _share(self) -> float:
        return min(1.0, self._completed / self._total) if self._total else 1.0

    def _head(self) -> str:
        now = time.monotonic()
        counted = f" {self._completed:,.0f}/{self._total:,.0f}," if self._counted else ""
        if self._completed >= self._total:
            when = f"in {format_duration(now - self._begin)}"
        elif self._left is None:
            when = f"{format_duration(now - self._begin)} so far"
        else:
            when = f"{format_duration(max(0.0, self._left - (now - self._at)))} left"
        return f"{self._description}:{counted} {100 * self._share():.0f}%, {when}"
