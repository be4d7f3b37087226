"""What a terminal shows of what was written to it: one emulated, of any size."""

from __future__ import annotations

import pyte


def rows_of(text: str, width: int, height: int = 100) -> list[str]:
    """The rows that are not empty, without spaces at their ends."""
    screen = pyte.Screen(width, height)
    pyte.Stream(screen).feed(text.replace("\r\n", "\n").replace("\n", "\r\n"))
    return [row.rstrip() for row in screen.display if row.strip()]
