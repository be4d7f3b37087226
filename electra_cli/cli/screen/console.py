"""All that people see.

What a command was asked for goes to stdout: one JSON object with --json, else its tables. What it
says on the way, notes, warnings and progress, goes to stderr. This is the only file that knows
rich. Off a terminal nothing is cut, and progress becomes a plain line every few seconds, so that
logs of batch systems stay readable.
"""

from __future__ import annotations

import io
import json
import os
import re
import select
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from textwrap import TextWrapper
from typing import IO, Any, Literal, cast

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from electra_cli.cli.screen.progress import ProgressReporter
from electra_cli.errors import IOFailedError
from electra_cli.files.redaction import redacted

# All control characters but tab and the end of a line, and what ends a line elsewhere or turns its
# direction.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# A pipe that is not full takes PIPE_BUF bytes without waiting; a character has up to 4.
_WRITTEN_AT_ONCE = select.PIPE_BUF // 4
_LONGEST_WAIT = 2.0  # seconds
_UNLIMITED = 10_000  # columns
# Lines after the first are indented: no name or value can begin one, and look like a message.
_FLUSH_LEFT = re.compile(r"\n(?! )")


def emit_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object to stdout, without secrets.

    Raises:
      IOFailedError: It cannot be written.
    """
    _write_result(json.dumps(redacted(value), allow_nan=False) + "\n")


def _write_result(text: str) -> None:
    """Writes to stdout, where what a command was asked for goes; raises as `emit_json`."""
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


class _Tolerant:
    """stderr for people; the work goes on when nobody reads it, or can any more."""

    _patience = _LONGEST_WAIT

    def write(self, text: str) -> int:
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
        with suppress(OSError, ValueError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def show_error(message: str, hint: str, exit_code: int, *, as_json: bool = False) -> None:
    """Prints an error on stderr, and its object on stdout; streams that nobody reads do not count.

    Args:
      message: What was wrong.
      hint: What to type next; empty for nothing.
      exit_code: The command's exit code.
      as_json: Whether the command was called with --json.
    """
    with suppress(OSError, ValueError):
        console = _console()
        _say(console, message, label="error: ", style="bold red")
        if hint:
            _say(console, hint, label="hint: ")
    if as_json:
        with suppress(OSError, ValueError, IOFailedError):
            emit_json({"error": {"message": message, "hint": hint, "exit_code": exit_code}})


def _console(stream: IO[str] | None = None) -> Console:
    """A console on stderr, or on `stream`; what is no terminal has room for any line."""
    if stream is None and sys.stderr is not None:
        stream = cast(IO[str], _Tolerant())
    console = Console(
        file=stream,
        stderr=stream is None,
        highlight=False,
        soft_wrap=True,
        force_terminal=stream.isatty() if stream is sys.stdout and stream else None,
    )
    if not console.is_terminal:
        console.width = _UNLIMITED
    return console


def _say(console: Console, text: str, *, label: str = "", style: str = "bold") -> None:
    """Prints a message; on a terminal its lines end between words, and long paths stay whole."""
    shown = label + printable(text)
    if console.is_terminal:
        fill = TextWrapper(
            max(20, console.width),
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        ).fill
        shown = "\n".join(map(fill, shown.split("\n")))
    console.print(f"[{style}]{label}[/]{escape(shown.removeprefix(label))}")


def printable(text: str) -> str:
    """Text of any origin as one message: no secrets, control characters shown, not obeyed.

    Lines after the first are indented.
    """
    shown = _CONTROL.sub(lambda match: ascii(match[0])[1:-1], redacted(text))
    return _FLUSH_LEFT.sub("\n  ", shown)


def _plain(text: str) -> str:
    """`printable` text, without markup."""
    return escape(printable(text))


class Terminal:
    """What a command shows to people.

    Args:
      quiet: Show nothing but warnings.
      stdout: What the command was asked for goes to stdout: there is no JSON object there.
    """

    def __init__(self, *, quiet: bool = False, stdout: bool = False) -> None:
        self.quiet = quiet
        self._console = _console()
        self._results = _console(sys.stdout) if stdout else self._console

    def note(self, text: str) -> None:
        """One plain line on the way."""
        if not self.quiet:
            _say(self._console, text)

    def warn(self, text: str) -> None:
        """One line that should not be overlooked; `quiet` does not hide it."""
        _say(self._console, text, label="warning: ", style="yellow")

    def result(self, text: str) -> None:
        """A plain line of what the command was asked for."""
        self._show(lambda console: _say(console, text))

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        left: Collection[int] = (0,),
    ) -> None:
        """A table of it; columns that are too many for the terminal are divided among several.

        Args:
          title: Above it.
          columns: Their heads.
          rows: A cell for each column.
          left: Places of the columns that are left-aligned; the others hold numbers.
        """
        shown = [[_plain(cell) for cell in row] for row in (columns, *rows)]
        widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]

        def draw(console: Console) -> None:
            console.print(f"[bold]{_plain(title)}[/]")
            for part in _parts(widths, console.width):
                table = Table()
                for index in part:
                    side: Literal["left", "right"] = "left" if index in left else "right"
                    table.add_column(shown[0][index], justify=side, overflow="fold")
                for row in shown[1:]:
                    table.add_row(*(row[index] for index in part))
                console.print(table)

        self._show(draw)

    def _show(self, draw: Callable[[Console], None]) -> None:
        if self.quiet:
            return
        if self._results is self._console:
            draw(self._console)
            return
        # rich could capture the text, but touches the stream all the same and does not say what
        # failed. It chooses the characters of tables by the encoding, which is that of stdout.
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        drawn = io.TextIOWrapper(io.BytesIO(), encoding, "backslashreplace", newline="")
        self._results.file = drawn
        draw(self._results)
        drawn.seek(0)
        _write_result(drawn.read())

    @contextmanager
    def progress(
        self, description: str, total: float, *, counted: bool = False
    ) -> Iterator[ProgressReporter]:
        """A line that is drawn anew on a terminal, and another one every few seconds elsewhere.

        Args:
          description: What is being done.
          total: The value of `update` at which it is done.
          counted: Show "12/300" besides the percentage.
        """
        drawn = self._console.is_terminal and not self.quiet
        note = None if drawn else self.note
        reporter = ProgressReporter(description, total, counted=counted, note=note)
        if not drawn:
            yield reporter
            return

        def draw() -> Text:
            return Text(reporter.line(self._console.width), no_wrap=True, overflow="crop")

        # Redirected streams would go round what tolerates an stderr that nobody reads.
        with Live(
            get_renderable=draw,
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield reporter


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Divides columns among tables of at most `room`, each with the first column."""
    parts: list[list[int]] = []
    for index, width in enumerate(widths[1:], start=1):
        taken = sum(widths[i] + 3 for i in parts[-1]) + 1 if parts else room
        if taken + width + 3 > room:
            parts.append([0])
        parts[-1].append(index)
    return parts or [[0]]
