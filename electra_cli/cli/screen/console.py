"""All that people see.

What a command was asked for goes to stdout: one JSON object with --json, else its tables. What it
says on the way, notes, warnings and progress, goes to stderr. Only this file draws with rich. Off
a terminal nothing is cut, and progress becomes a plain line every few seconds, so that logs of
batch systems stay readable; so it does on a terminal that cannot move its cursor (TERM=dumb).
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Literal, cast

from rich import box
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.segment import ControlType, Segment, Segments
from rich.table import Table
from rich.text import Text

from electra_cli.cli.screen.progress import ASCII, UNICODE, ProgressReporter
from electra_cli.cli.screen.streams import Tolerant, write_result
from electra_cli.cli.screen.text import encodable, one_line, printable, width_of, wrapped
from electra_cli.errors import IOFailedError
from electra_cli.files.redaction import redacted

_UNLIMITED = 10_000  # columns
_FOLDED = 10  # columns that are left of a path or another long word
_speaker = ""  # what every message of this process begins with
_LETTERS = re.compile(r"[^\W\d_]{2}")  # what numbers have none of


def speak_as(name: str) -> None:
    """Begins every message of this process with a name, as where several write to one stream."""
    global _speaker
    _speaker = name and f"{name}: "


def emit_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object to stdout, without secrets.

    Raises:
      IOFailedError: It cannot be written.
    """
    write_result(json.dumps(redacted(value), allow_nan=False) + "\n")


def show_error(
    message: str,
    hint: str,
    exit_code: int,
    *,
    as_json: bool = False,
    findings: Sequence[Mapping[str, object]] = (),
) -> None:
    """Prints an error on stderr, and its object on stdout; streams that nobody reads do not count.

    Args:
      message: What was wrong.
      hint: What to type next; empty for nothing.
      exit_code: The command's exit code.
      as_json: Whether the command was called with --json.
      findings: What was found wrong with the run up to then.
    """
    with suppress(OSError, ValueError):
        console = _console()
        _say(console, message, label="error: ", style="bold red")
        if hint:
            _say(console, hint, label="hint: ")
    if as_json:
        with suppress(OSError, ValueError, IOFailedError):
            found = {"findings": list(findings)} if findings else {}
            error = {"message": message, "hint": hint, "exit_code": exit_code}
            emit_json({"error": error | found})


def _console(stream: IO[str] | None = None) -> Console:
    """A console on stderr, or on `stream`; what is no terminal has room for any line."""
    if stream is None and sys.stderr is not None:
        stream = cast(IO[str], Tolerant())
    console = Console(
        file=stream,
        stderr=stream is None,
        highlight=False,
        soft_wrap=True,
        force_terminal=stream.isatty() if stream is sys.stdout and stream else None,
    )
    if not console.is_terminal:
        console.width = _UNLIMITED
    elif console.is_dumb_terminal:  # whose width rich does not ask for
        with suppress(OSError):
            size = os.get_terminal_size(console.file.fileno())
            console.width, console.height = size.columns or console.width, size.lines or 25
    return console


def _draws(console: Console) -> bool:
    """Whether it shows lines, bars and curves, and not ASCII alone."""
    return not (console.options.ascii_only or console.is_dumb_terminal)


def _written(console: Console, text: str) -> str:
    """Text of any origin, as it will look there."""
    return encodable(printable(text), console.encoding, draws=_draws(console))


def _say(console: Console, text: str, *, label: str = "", style: str = "") -> None:
    """Prints a message; on a terminal its lines end between words, and long paths stay whole."""
    label = _speaker + label
    shown = label + _written(console, text)
    if console.is_terminal:
        shown = wrapped(shown, console.width)
    message = Text(shown, end="")
    message.stylize(style or "bold", 0, len(label) or (len(shown) if style else 0))
    console.print(message)


class Terminal:
    """What a command shows to people.

    Args:
      quiet: Show nothing but warnings.
      silent: Show nothing at all: another process shows the same.
      stdout: What the command was asked for goes to stdout: there is no JSON object there.
    """

    def __init__(self, *, quiet: bool = False, stdout: bool = False, silent: bool = False) -> None:
        self.quiet, self._silent = quiet or silent, silent
        self._console = _console()
        self._results = _console(sys.stdout) if stdout else self._console

    def note(self, text: str, *, label: str = "") -> None:
        """One plain line on the way."""
        if not self.quiet:
            _say(self._console, text, label=label)

    def warn(self, text: str, *, label: str = "warning: ") -> None:
        """One line that should not be overlooked; `quiet` does not hide it."""
        if not self._silent:
            _say(self._console, text, label=label, style="yellow")

    def make_room(self) -> None:
        """Erases a line of progress that another process draws on this terminal."""
        if self._console.is_interactive:
            self._console.print(Segments([_codes("\r\x1b[J")]), end="")

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

        def draw(console: Console) -> None:
            shown = [[_written(console, cell) for cell in row] for row in (columns, *rows)]
            _say(console, title, style="bold")
            for part, widths in _parts(shown, console.width):
                table = Table(box=box.HEAVY_HEAD if _draws(console) else box.ASCII)
                for index, width in zip(part, widths, strict=True):
                    side: Literal["left", "right"] = "left" if index in left else "right"
                    head = escape(shown[0][index])
                    table.add_column(head, justify=side, overflow="fold", width=width)
                for row in shown[1:]:
                    table.add_row(*(escape(row[index]) for index in part))
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
        write_result(drawn.read())

    @contextmanager
    def progress(
        self, description: str, total: float | None, *, counted: bool = False
    ) -> Iterator[ProgressReporter]:
        """A line that is drawn anew on a terminal, and another one every few seconds elsewhere.

        Args:
          description: What is being done.
          total: The value of `update` at which it is done; None for no end.
          counted: Show "12/300" besides the percentage.
        """
        console = self._console
        moves = console.is_interactive and not self.quiet
        reporter = ProgressReporter(
            _written(console, one_line(description)),
            total,
            counted=counted,
            glyphs=UNICODE if _draws(console) else ASCII,
            note=None if moves else lambda line: self.note(line(console.width)),
        )
        if not moves:
            yield reporter
            return
        # Redirected streams would go round what tolerates an stderr that nobody reads.
        with _Live(_Drawn(reporter), console=console, redirect_stdout=False, redirect_stderr=False):
            yield reporter


class _Drawn:
    """The line of progress where it is drawn anew.

    The terminal is told to cut what is too wide, as characters are for whose width it has other
    ideas, and the cursor waits at the line's begin: in a window that was made narrower, where the
    line now takes two, that is the first of them.
    """

    def __init__(self, reporter: ProgressReporter) -> None:
        self._reporter = reporter

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _codes("\x1b[?7l")
        yield Text(self._reporter.line(options.max_width), no_wrap=True, overflow="crop", end="")
        yield _codes("\x1b[?7h\r")


class _Live(Live):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Adds that the rest of a line that the window has divided is erased as well."""
        return super().process_renderables([Segments([_codes("\x1b[J")]), *renderables])


def _codes(text: str) -> Segment:
    return Segment(text, None, [(ControlType.CLEAR,)])


def _width(cell: str) -> int:
    return max(map(width_of, cell.expandtabs(8).split("\n")))


def _parts(rows: Sequence[Sequence[str]], room: int) -> list[tuple[list[int], list[int]]]:
    """Divides columns among as few tables of at most `room` as can be, each with the first column.

    Where that saves a table, what is no number gives way: heads and texts are divided between
    words, and paths and other long words are folded. The first column gives way last, so that keys
    and names can be copied.

    Args:
      rows: All cells, the heads first.
      room: Columns of the terminal.

    Returns:
      The columns of each table, and their widths.
    """
    columns = list(zip(*rows, strict=True))
    whole = [max(map(_width, column)) for column in columns]
    least = [_least(column) for column in columns]
    beside = room - 7 - max(least[1:], default=0)
    first = max(1, min(whole[0], 3 * room // 5, max(room // 3, beside)))
    tries = ([first, *widths[1:]] for widths in (whole, least))
    parts = min((_divided(widths, room) for widths in tries), key=len)
    return [(part, _widened([first, *whole[1:]], least, part, room)) for part in parts]


def _divided(widths: Sequence[int], room: int) -> list[list[int]]:
    parts: list[list[int]] = []
    for index, width in enumerate(widths[1:], start=1):
        taken = sum(widths[i] + 3 for i in parts[-1]) + 1 if parts else room
        if taken + width + 3 > room:
            parts.append([0])
        parts[-1].append(index)
    return parts or [[0]]


def _widened(
    whole: Sequence[int], least: Sequence[int], part: Sequence[int], room: int
) -> list[int]:
    """Widths of a table's columns: none is folded below a width for which there is room in all."""
    most = room - whole[0] - 4 - 3 * (len(part) - 1)  # for all columns but the first

    def at(cap: int) -> list[int]:
        return [max(min(whole[i], cap), min(least[i], most)) for i in part[1:]]

    widest = max((whole[i] for i in part[1:]), default=1)
    cap = next((cap for cap in range(widest, 1, -1) if sum(at(cap)) <= most), 1)
    return [whole[0], *(max(1, width) for width in at(cap))]


def _least(column: Sequence[str]) -> int:
    """The width to which a column can be folded: numbers and heads above them stay whole."""
    head, *cells = column
    is_text = any(map(_LETTERS.search, cells))
    least = max((_folded(word) if is_text else _width(word) for word in head.split()), default=0)
    for cell in cells:
        pieces = map(_folded, cell.split()) if _LETTERS.search(cell) else [_width(cell)]
        least = max(least, *pieces)
    return least


def _folded(word: str) -> int:
    """The width that a word of a text needs; a path and other long words are folded."""
    width = _width(word)
    is_long = width > (_FOLDED if "/" in word else 2 * _FOLDED)
    return _FOLDED if is_long and _LETTERS.search(word) else width
