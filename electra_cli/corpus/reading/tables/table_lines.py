"""The lines of a table in text, for the csv module, which asks for them row by row."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

from electra_cli.corpus.reading.tables.separators import Dialect
from electra_cli.corpus.reading.texts import BOM
from electra_cli.corpus.reading.universal_lines import LINE_ENDS, UniversalLines

# Of a row, whose quotes may hold line ends: as many as of a document that is not cut, and as much
# as a row may have by default. Behind that a quote is taken for one that nothing closes.
MOST_LINES = 2**17
MOST_HELD = 2**24

# So many lines within quotes that are rows by themselves were not meant to be within quotes.
_MOST_ROWS = 10
_PIECE = 2**16  # bytes of a line that is skipped to be read at once


class RowEndsError(Exception):
    """A row ends here, though the parser asks for more of it, or for a line that is too long."""


class TableLines:
    """Lines of a stream as text, their ends kept; invalid bytes become lone surrogates.

    Args:
      stream: At the beginning of a line.
      longest: Bytes of a row.
      most_lines: Lines of a row.
      most_held: Bytes behind which a quote is taken for one that nothing closes, if a row may not
        have more.

    Attributes:
      bytes: Read so far.
      number: Of the line that the row begins with.
      most_lines: As given.
      most_held: Bytes of a row behind which a quote is taken for one that nothing closes.
    """

    def __init__(
        self,
        stream: BinaryIO,
        longest: int = 2**30,
        *,
        most_lines: int = MOST_LINES,
        most_held: int = MOST_HELD,
    ) -> None:
        self._readline = UniversalLines(stream).readline
        self._longest = longest
        self.most_lines = most_lines
        self.most_held = max(longest, most_held)
        self._again: deque[bytes | None] = deque()  # None stands for a line that is too long
        self._row: list[bytes | None] = []
        self.bytes = 0
        self.number = 1
        self.use(Dialect(",", quoted=True))
        self.begin_row()

    def use(self, dialect: Dialect) -> None:
        """Says how the rows are written."""
        self._separator = dialect.separator.encode()

    def begin_row(self) -> None:
        """Says that what comes next is another row."""
        self.number += len(self._row)
        self._row.clear()
        self._held = 0

    def first_line(self) -> str:
        """The next line that is not blank, which comes again; "" at the end, or if it is long."""
        while (line := self._next_line()) in (b"\n", b"\r\n", b"\r"):
            self.number += 1
        if line != b"":
            self._again.append(line)
        return (line or b"").decode("utf-8", "surrogateescape")

    def skip_line(self) -> None:
        """Passes over what `first_line` has told of."""
        self._again.popleft()
        self.number += 1

    def holds_rows(self, columns: int) -> bool:
        """Whether each of the many lines of a row would be one: a quote has taken them in.

        A text can have as many commas in each line, but hardly in the first too, behind which the
        columns before the text come, and in the last, and no quote in any other.

        Args:
          columns: That a row has.
        """
        if columns < 2 or len(self._row) < _MOST_ROWS + 2:
            return False
        lines = [line for line in self._row if line is not None]
        return all(line.count(self._separator) == columns - 1 for line in lines) and not any(
            b'"' in line for line in lines[1:-1]
        )

    def end_row(self) -> None:
        """Ends a row of several lines behind its first: the others come again."""
        self._again.extendleft(reversed(self._row[1:]))
        del self._row[1:]
        self._held = sum(len(line or b"") for line in self._row)

    @property
    def is_too_long(self) -> bool:
        """Whether the row has more bytes than a row may have."""
        return self._row[:1] == [None] or self._held > self._longest

    def __iter__(self) -> TableLines:
        return self

    def __next__(self) -> str:
        """A line; the parser asks for another one of a row only within quotes.

        Raises:
          RowEndsError: The row has too many, or the line is too long.
        """
        line = self._next_line()
        if line == b"":
            raise StopIteration
        size = len(line or b"")
        if self._row and (
            line is None or len(self._row) >= self.most_lines or self._held + size > self.most_held
        ):
            self._again.appendleft(line)
            raise RowEndsError
        self._row.append(line)
        self._held += size
        if line is None:
            raise RowEndsError
        return line.decode("utf-8", "surrogateescape")

    def _next_line(self) -> bytes | None:
        """The next line, b"" at the end, or None if it is too long."""
        if self._again:
            return self._again.popleft()
        line = self._readline(self._longest)
        begins = BOM if not self.bytes else b""
        self.bytes += len(line)
        # A byte order mark that was removed makes the longest line three bytes shorter.
        if len(line) < self._longest - len(BOM) or line.endswith(LINE_ENDS):
            return line.removeprefix(begins)
        while line and not line.endswith(LINE_ENDS):
            line = self._readline(_PIECE)
            self.bytes += len(line)
        return None
