"""A curve in one line of text."""

from __future__ import annotations

import math

_MOST_VALUES = 256
_NOT_FINITE = "!"


class Sparkline:
    """The curve of a number from its first value to its newest, in bounded memory.

    Values come at equal distances. When there are many, each two neighbours become their mean.
    """

    def __init__(self) -> None:
        self._values: list[float] = []
        self._stride = 1
        self._pending: list[float] = []

    def add(self, value: float) -> None:
        """Takes in the next value; NaN and infinity are marked in the curve."""
        self._pending.append(value)
        if len(self._pending) < self._stride:
            return
        self._values.append(sum(self._pending) / self._stride)
        self._pending = []
        if len(self._values) == _MOST_VALUES:
            pairs = zip(self._values[::2], self._values[1::2], strict=True)
            self._values = [(one + other) / 2 for one, other in pairs]
            self._stride *= 2

    def __bool__(self) -> bool:
        return len(self._values) > 1

    def drawn(self, length: int, levels: str) -> str:
        """The curve in `length` characters, the lowest of `levels` first.

        The highest eighth has one height, or a run's first values would leave none for the rest.
        """
        count = len(self._values)
        cells = []
        for cell in range(length):
            begin = cell * count // length
            part = self._values[begin : max(begin + 1, (cell + 1) * count // length)]
            cells.append(sum(part) / len(part))
        finite = sorted(filter(math.isfinite, cells))
        low = finite[0] if finite else 0.0
        span = finite[-1 - len(finite) // 8] - low if finite else 0.0
        top = len(levels) - 1

        def level(value: float) -> str:
            if not math.isfinite(value):
                return _NOT_FINITE
            share = (value - low) / span if span > 0 else float(value > low)
            return levels[min(top, round(top * share))]

        return "".join(map(level, cells))
