"""Ends a run that stands still, so that whoever started it can start it again.

An input on a dead network file system and a worker that has lost the others wait for ever, and no
exception tells. In a cluster TensorFlow may hold the interpreter meanwhile, so that no thread of
this process could tell either: there the supervisor counts. TensorFlow is not imported.
"""

from __future__ import annotations

import faulthandler
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.errors import TryAgainError

_LONGEST_TICK = 1.0  # seconds
_HINT = (
    "run the same command again to go on from the last checkpoint; if it only needs more time, "
    "--set runtime.stall_timeout=SECONDS"
)


class Watchdog:
    """Ends the process with exit code 75 if the block does not report for too long.

    Args:
      limit: Seconds without a report; 0 for any number.
      on_stall: Hears the reason, from another thread, before all stacks go to stderr.
      last_words: The most seconds that saying all this may take.
      worker: Which of several workers this is. They end together, and stacks are not told.
    """

    def __init__(
        self,
        limit: float,
        on_stall: Callable[[TryAgainError], None] = lambda error: None,
        *,
        last_words: float = 10.0,
        worker: Worker = ALONE,
    ) -> None:
        self._limit, self._on_stall, self._last_words = limit, on_stall, last_words
        self._worker = worker
        self._ended = threading.Event()
        self._waited = 0.0
        self._what = "the start"
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.waiting_for(self._what)
        if self._limit and self._worker.is_alone:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._worker.waiting_for("the end")

    def waiting_for(self, what: str) -> None:
        """Reports that something has ended, and says what comes next."""
        self._waited, self._what = 0.0, what
        self._worker.waiting_for(what, self._limit, _HINT)

    def _watch(self) -> None:
        tick = min(_LONGEST_TICK, self._limit / 4)
        # Ticks are counted, not time: that of a stopped process or a sleeping machine is none.
        while not self._ended.wait(tick):
            self._waited += tick
            if self._waited < self._limit:
                continue
            error = TryAgainError(
                f"nothing has ended for {self._limit:g} seconds; waiting for {self._what}",
                hint=_HINT,
            )
            # Whatever cannot be said, be it that nobody reads stderr, the process ends.
            last = threading.Timer(self._last_words, os._exit, [error.exit_code])
            last.daemon = True
            last.start()
            with suppress(Exception):
                self._on_stall(error)
            with suppress(Exception), tempfile.TemporaryFile() as stacks:
                # It writes with the interpreter's lock held: a full stderr would stop the timer.
                faulthandler.dump_traceback(stacks)
                stacks.seek(0)
                os.write(2, stacks.read())
            os._exit(error.exit_code)
