"""The streams of a process: stderr must not stop the work, and stdout must get everything."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO

from electra_cli.errors import IOFailedError

# A pipe that is not full takes PIPE_BUF bytes without waiting; a character has up to 4.
_WRITTEN_AT_ONCE = select.PIPE_BUF // 4
_LONGEST_WAIT = 2.0  # seconds
_DONE = "the work itself is done"


def write_result(text: str) -> None:
    """Writes to stdout, where what a command was asked for goes.

    Raises:
      IOFailedError: It cannot be written.
    """
    if sys.stdout is None:
        raise IOFailedError("cannot write the result to stdout: it is closed", hint=_DONE)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        raise IOFailedError(
            f"cannot write the result to stdout: {error.strerror}", hint=_DONE
        ) from error


def write_out() -> None:
    """Writes what both streams have kept, or gives it up; the last that a process does."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # there is none, or it is closed
            try:
                stream.flush()
            except OSError:
                _give_up(stream)


def _give_up(stream: TextIO) -> None:
    """What could not be written is kept, and Python would try again while it ends: with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Tolerant:
    """stderr for people; the work goes on when nobody reads it, or can any more."""

    _patience = _LONGEST_WAIT

    def write(self, text: str) -> int:
        """Writes what can be written, and says that it was all."""
        with suppress(OSError, ValueError):
            for begin in range(0, len(text), _WRITTEN_AT_ONCE):
                if self._has_room():
                    sys.stderr.write(text[begin : begin + _WRITTEN_AT_ONCE])
                    sys.stderr.flush()
        return len(text)

    def _has_room(self) -> bool:
        """Whether a pipe takes more; what is written to a full one is lost.

        A terminal that takes less than a line, because its other end hangs, is still waited for.
        """
        try:
            number = sys.stderr.fileno()
        except OSError:  # io.UnsupportedOperation: no file, as in tests
            return True
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        has_room = bool(poll.poll(1000 * self._patience))
        # One waits once for a slow reader, and not again before it has read.
        self._patience = _LONGEST_WAIT if has_room else 0.0
        return has_room

    def flush(self) -> None:
        """Writes what was kept."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)
