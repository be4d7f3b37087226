"""Mirrors a run in a thread of its own: training waits for none of it but at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from electra_cli.errors import ElectraError, TryAgainError
from electra_cli.files.remote import faults
from electra_cli.runs.mirror.sending import DisplacedError, Sender

_THREAD = "electra-mirror"
_TICK = 0.2  # seconds
_BETWEEN_NOTES = 15.0
_LATE = (
    "a machine that vanishes takes up to one interval of train.checkpoint_every and the time of "
    "two copies with it; a longer interval lets copies keep up, or a faster way to the store"
)


class Mirror:
    """Sends what is new whenever there is something.

    Args:
      url: Where the mirror is, for messages.
      folder: The run folder, for messages.
      sender: Sends; it has claimed the mirror.
      warn: Hears, from another thread, of the first of failures in a row.
      note: Hears that all is well again, and what is waited for at the end.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        sender: Sender,
        *,
        warn: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._url, self._folder, self._sender = url, folder, sender
        self._warn, self._note = warn, note
        self._wanted = self._done = 0
        self._is_over = self._was_late = False
        self._error: ElectraError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name=_THREAD, daemon=True)

    def start(self) -> None:
        """Begins to copy what there is."""
        # What is tried again is no news while training goes on; what fails is told once.
        logging.getLogger(faults.__name__).addFilter(_of_others)
        self._thread.start()
        self.notify()

    def notify(self) -> None:
        """Says that there is something new; it never waits."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()

    def holds(self, checkpoint: Path) -> bool:
        """Whether a checkpoint is being read just now, and has to stay until that is over."""
        return checkpoint == self._sender.held

    def finish(self, limit: float, hurried: Callable[[], float | None]) -> ElectraError | None:
        """Waits until all there is has been copied.

        Args:
          limit: Seconds that this may take.
          hurried: Returns to how many seconds it is cut from now on; None for not.

        Returns:
          Why something is missing in the mirror; None if nothing is.
        """
        self._is_over = True
        self.notify()
        begun = time.monotonic()
        deadline, told = begun + limit, begun + 1 - _BETWEEN_NOTES
        while not self._is_done() and (now := time.monotonic()) < deadline:
            if (cut := hurried()) is not None:
                deadline = min(deadline, now + cut)
            if now - told >= _BETWEEN_NOTES:
                told = now
                self._note(f"copying to {self._url}, at most {deadline - now:.0f} s more")
            with self._changed:
                self._changed.wait_for(self._is_done, _TICK)
        error = self._error
        if not self._is_done():
            why = f"it was not finished within {deadline - begun:.0f} s"
        elif error is None or isinstance(error, DisplacedError):
            return error
        else:
            why = error.message
        return TryAgainError(
            f"{self._url} is not what {self._folder} is: {why}",
            hint=f"{self._folder} is whole, and the mirror as it was up to some checkpoint; the "
            "same command again copies what is missing",
        )

    def _is_done(self) -> bool:
        return self._done == self._wanted

    def _late(self, text: str) -> None:
        if not (self._was_late or self._is_over):  # at the end there is no next interval
            self._was_late = True
            self._warn(f"{text}: {_LATE}")

    def _serve(self) -> None:
        while not (self._is_over and self._is_done()):
            with self._changed:
                self._changed.wait_for(lambda: not self._is_done())
                wanted = self._wanted
            error: ElectraError | None = None
            try:
                self._sender.copy(self._late)
            except ElectraError as found:
                error = found
            except Exception as found:
                error = TryAgainError(f"{type(found).__name__}: {found}")
            if error is not None and self._error is None:
                self._warn(
                    f"{self._url} is not up to date: {error.message}; training goes on, and it is "
                    "tried again with the next checkpoint"
                )
            if error is None and self._error is not None:
                self._note(f"{self._url} is up to date again")
            with self._changed:
                self._error, self._done = error, wanted
                self._changed.notify_all()


def _of_others(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD
