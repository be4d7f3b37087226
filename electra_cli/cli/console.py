"""All that people see: notes, tables and progress, on stderr; stdout belongs to machines.

This is the only file that knows rich. Off a terminal, progress becomes a plain line every few
seconds, so that logs of batch systems stay readable.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from electra_cli.errors import ElectraError, IOFailedError
from electra_cli.redaction import redacted

_SECONDS_BETWEEN_LINES = 5.0

# All but tab and the end of a line; also what ends a line elsewhere, or turns its direction.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# No name or value can begin a line, and with it a message of its own.
# A pipe that is not full takes so many bytes without waiting (PIPE_BUF); a character has up to 4.
_WRITTEN_AT_ONCE = select.PIPE_BUF // 4
_LONGEST_WAIT = 2.0  # seconds
_FLUSH_LEFT = re.compile(r"\n(?! )")


def emit_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object to stdout, without secrets.

    Raises:
      IOFailedError: It cannot be written.
    """
    text = json.dumps(redacted(value), allow_nan=False) + "\n"
    if sys.stdout is None:
        raise IOFailedError("cannot write the result to stdout: it is closed", hint=_DONE)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What could not be written is kept, and Python would try again while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise IOFailedError(
            f"cannot write the result to stdout: {error.strerror}", hint=_DONE
        ) from error


_DONE = "the work itself is done"


def emit_error(error: ElectraError) -> None:
    """Writes the JSON object that says why a command has failed; raises as `emit_json`."""
    fields = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    emit_json({"error": fields})


class _Tolerant:
    """stderr for people: when nobody reads it, or can any more, the work goes on."""

    _patience = _LONGEST_WAIT

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            for begin in range(0, len(text), _WRITTEN_AT_ONCE):
                if self._has_room():
                    sys.stderr.write(text[begin : begin + _WRITTEN_AT_ONCE])
                    sys.stderr.flush()
        return len(text)

    def _has_room(self) -> bool:
        """Whether a pipe takes more; of one that is full, what is written is lost.

        A terminal that takes less than a line, because its other end hangs, is still waited for.
        """
        try:
            number = sys.stderr.fileno()
        except OSError:  # io.UnsupportedOperation: no file, as in tests
            return True
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        has_room = bool(poll.poll(1000 * self._patience))
        # A first time one waits for a slow reader, and not again before it has read.
        self._patience = _LONGEST_WAIT if has_room else 0.0
        return has_room

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def print_error(message: str, hint: str) -> None:
    """Prints an error and its hint on stderr."""
    console = _console()
    console.print(f"[bold red]error:[/] {_plain(message)}")
    if hint:
        console.print(f"[bold]hint:[/] {_plain(hint)}")


def _console() -> Console:
    stream = cast(IO[str], _Tolerant()) if sys.stderr is not None else None
    return Console(file=stream, stderr=True, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Text of any origin as one message: no secrets, control characters shown, not obeyed.

    Lines after the first are indented.
    """
    shown = _CONTROL.sub(lambda match: ascii(match[0])[1:-1], redacted(text))
    return _FLUSH_LEFT.sub("\n  ", shown)


def _plain(text: str) -> str:
    """`printable` text, without markup."""
    return escape(printable(text))


def format_duration(seconds: float) -> str:
    """12.3 -> '12s', 4000 -> '1h 06m'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole / 86400:.1f} days"


class ProgressReporter:
    """Advances a progress display; `update` may be called as often as one likes."""

    def __init__(self, terminal: Terminal, description: str, total: float, bar: Progress | None):
        self._terminal = terminal
        self._description = description
        self._total = total
        self._bar = bar
        self._task = bar.add_task(description, total=total, status="") if bar else None
        self._started = self._last_line = time.monotonic()
        self._first: float | None = None

    def update(self, completed: float, status: str = "") -> None:
        """Shows that `completed` of the total is done; `status` is free text behind the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=completed, status=status)
            return
        now = time.monotonic()
        if self._first is None:
            # Work found done already, and the time to get started, say nothing about the speed.
            self._first, self._started = completed, now
        if now - self._last_line < _SECONDS_BETWEEN_LINES and completed < self._total:
            return
        self._last_line = now
        done = completed - self._first
        eta = (now - self._started) * (self._total - completed) / done if done > 0 else None
        left = f", {format_duration(eta)} left" if eta is not None else ""
        share = 100 * completed / self._total if self._total else 100.0
        self._terminal.note(
            f"{self._description}: {share:.0f}%{left}{', ' + status if status else ''}"
        )


class Terminal:
    """What a command shows to people.

    Args:
      quiet: Show nothing but warnings.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._console = _console()

    def note(self, text: str) -> None:
        """One plain line."""
        if not self.quiet:
            self._console.print(_plain(text))

    def warn(self, text: str) -> None:
        """One line that should not be overlooked; `quiet` does not hide it."""
        self._console.print(f"[yellow]warning:[/] {_plain(text)}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; the first column is left-aligned, the others hold numbers."""
        if self.quiet:
            return
        table = Table(title=title, title_justify="left", title_style="bold")
        for index, column in enumerate(columns):
            table.add_column(_plain(column), justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*(_plain(cell) for cell in row))
        self._console.print(table)

    @contextmanager
    def progress(
        self, description: str, total: float, *, counted: bool = False
    ) -> Iterator[ProgressReporter]:
        """A progress bar with ETA on a terminal, a line every few seconds elsewhere.

        Args:
          description: What is being done.
          total: The value of `update` at which it is done.
          counted: Show "12/300" besides the percentage.
        """
        if self.quiet or not self._console.is_terminal:
            yield ProgressReporter(self, description, total, None)
            return
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn() if counted else TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
        ]
        # Not redirected, since rich would go round what tolerates an stderr that nobody reads.
        with Progress(
            *columns, console=self._console, redirect_stdout=False, redirect_stderr=False
        ) as bar:
            yield ProgressReporter(self, description, total, bar)
