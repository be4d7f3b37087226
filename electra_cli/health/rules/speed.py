"""Findings about the speed of a process; another process begins anew."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from electra_cli.config.rules.batches import stretch_at
from electra_cli.health.rule import Line, Rule, Sign, below, number

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts

# A speed is a mean over at least so many lines and seconds: single loops vary.
_LINES, _SECONDS = 5, 60.0
# Shares of the best mean of this process.
_FALLEN, _BACK = 0.6, 0.75


class ThroughputFell(Rule):
    """The process trains far slower than it did."""

    name = "throughput-fell"
    title = "Training has become slow"
    meaning = (
        "Updates take far longer than before in the same process, evaluation and saving apart: "
        "something else uses the machine, the device is throttled, or the data comes slowly."
    )
    advice = (
        "look at what else runs (`nvidia-smi`, `top`), at temperatures, and at the disk or network "
        "the data is on; nothing is lost by stopping and running the same command again"
    )
    kinds: ClassVar = ("start", "train")
    begins_after: ClassVar = 1
    ends_after: ClassVar = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._start: int | None = None
        self._last: deque[tuple[int, float]] = deque()  # steps and seconds since the first loop
        self._best = 0.0

    def see(self, line: Line) -> Sign | None:
        """Compares the speed over the last lines with the best of this process."""
        step = line["step"]
        if line["kind"] == "start":
            self._start, self._best = step, 0.0
            self._last.clear()
            return Sign("fine", "a new process")
        mean = number(line, "sequences_per_second")
        if mean is None or mean <= 0 or self._start is None:
            return None
        stretch = stretch_at(self.facts, step - 1)
        if stretch.first_step > self._start:  # batches of another size have other means
            self._start, self._best = stretch.first_step, 0.0
            self._last.clear()
        # Lines have the mean of the process without its first loop, of one step: back to seconds.
        steps, last = step - self._start - 1, self._last
        last.append((steps, steps * stretch.rows / mean))
        while len(last) > _LINES + 1 and last[-1][1] - last[1][1] >= _SECONDS:
            last.popleft()
        seconds = last[-1][1] - last[0][1]
        if len(last) <= _LINES or seconds < _SECONDS:
            return None
        speed = (steps - last[0][0]) * stretch.rows / seconds
        self._best = max(self._best, speed)
        text = f"{speed:,.1f} sequences/s, {self._best:,.1f} at its best"
        since = step - steps + last[0][0]
        return below(speed / self._best, _FALLEN, _BACK, text)._replace(since=since)
