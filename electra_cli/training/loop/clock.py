"""How long training takes, without evaluations and checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Time spent in training loops; the first loop, which compiles, counts apart.

    Args:
      now: The time in seconds.
      agree: From what was measured here to what holds for all workers.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        agree: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        self._now, self._agree = now, agree
        self._begun = (0.0, 0)
        self._agreed = 0.0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets all loops: those that follow take other times, and the first of them compiles."""
        self._first: tuple[float, int] | None = None
        self._seconds = 0.0
        self._steps = 0

    def start(self, step: int) -> None:
        """A loop begins."""
        self._begun = (self._now(), step)

    def stop(self, step: int) -> None:
        """A loop has ended, its results are on the host."""
        seconds, steps = self._now() - self._begun[0], step - self._begun[1]
        if self._first is None:
            self._first = (seconds, steps)
        else:
            self._seconds += seconds
            self._steps += steps
        seconds, steps = (self._seconds, self._steps) if self._steps else self._first
        self._agreed = self._agree(seconds / steps if steps else 0.0)

    @property
    def seconds_per_step(self) -> float:
        """Mean over all loops after the first; of the first while there is no other."""
        return self._agreed

    def seconds_for(self, steps: float) -> float | None:
        """How long so many steps will take; None while there is no loop but the first."""
        return steps * self._seconds / self._steps if self._steps else None
