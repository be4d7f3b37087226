"""Ends a run that stands still, so that whoever started it can start it again.

An input on a dead network file system and a worker that has lost the others wait for ever, and no
exception tells. TensorFlow is not imported.
"""

from __future__ import annotations

import faulthandler
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from electra_cli.errors import TryAgainError

_LONGEST_TICK = 1.0  # seconds


class Watchdog:
    """Ends the process with exit code 75 if the block does not report for too long.

    Args:
      limit: Seconds without a report; 0 for any number.
      on_stall: Hears the reason, from another thread, before all stacks go to stderr.
      last_words: The most seconds that saying all this may take.
    """

    def __init__(
        self,
        limit: float,
        on_stall: Callable[[TryAgainError], None] = lambda error: None,
        *,
        last_words: float = 10.0,
    ) -> None:
        self._limit, self._on_stall, self._last_words = limit, on_stall, last_words
        self._ended = threading.Event()
        self._waited = 0.0
        self._what = "the start"
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._limit:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def waiting_for(self, what: str) -> None:
        """Reports that something has ended, and says what comes next."""
        self._waited, self._what = 0.0, what

    def _watch(self) -> None:
        tick = min(_LONGEST_TICK, self._limit / 4)
        # Ticks are counted, not time: that of a stopped process or a sleeping machine is none.
        while not self._ended.wait(tick):
            self._waited += tick
            if self._waited < self._limit:
                continue
            error = TryAgainError(
                f"nothing has ended for {self._limit:g} seconds; waiting for {self._what}",
                hint="run the same command again to go on from the last checkpoint; if it only "
                "needs more time, --set runtime.stall_timeout=SECONDS",
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
