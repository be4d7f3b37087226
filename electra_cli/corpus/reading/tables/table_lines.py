"""The lines of a table in text, for the csv module, which asks for them row by row."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from electra_cli.corpus.reading.faults import Fault, too_long, too_many_values
from electra_cli.corpus.reading.tables.separators import MOST_FIELDS, Dialect
from electra_cli.corpus.reading.texts import BOM
from electra_cli.corpus.reading.universal_lines import LINE_ENDS, UniversalLines

# Of a row, whose quotes may hold line ends: as many as of a document that is not cut, and as much
# as a row may have by default. Behind that a quote is taken for one that nothing closes.
MOST_LINES = 2**17
MOST_HELD = 2**24

# So many lines within quotes that are rows by themselves were not meant to be within quotes.
_MOST_ROWS = 10
_FEW_FIELDS = 2**16  # so few that separators within quotes may be among them
_PIECE = 2**16  # bytes of a line that is skipped to be read at once


class UnclosedQuoteError(Exception):
    """A quote is not closed in as many lines as a row may have."""


@dataclass(frozen=True)
class _LongLine:
    """Stands for a line that is too long to be held.

    Attributes:
      alone: A short line that means the same for what follows, where it begins a row.
      within: The same where a quote is open.
    """

    alone: bytes
    within: bytes


class TableLines:
    """Lines of a stream as text, their ends kept; invalid bytes become lone surrogates.

    Args:
      stream: At the beginning of a line.
      longest: Bytes of a row; of a longer one comes something that ends where it ends.

    Attributes:
      bytes: Read so far.
      number: Of the line that the row begins with.
      fault: Makes the fault of a row that was too long since the caller last called `begin_row`,
        from the number of its line.
    """

    def __init__(self, stream: BinaryIO, longest: int = 2**30) -> None:
        self._readline = UniversalLines(stream).readline
        self._longest = longest
        self.most_held = max(longest, MOST_HELD)
        self._again: deque[bytes | _LongLine] = deque()
        self._row: list[bytes | _LongLine] = []
        self.bytes = 0
        self.number = 1
        self.use(Dialect(",", quoted=True))
        self.begin_row()

    def use(self, dialect: Dialect) -> None:
        """Says how the rows are written."""
        self._separator = dialect.separator.encode()
        self._plain = b"y" if self._separator == b"x" else b"x"
        # A quote opens at the beginning of a field only; the group is what closes it.
        opening = b'"(?<![^%b]")' % re.escape(self._separator) if dialect.quoted else b"(?!)"
        self._quoted = re.compile(opening + rb'(?:[^"]++|"")*+("?)')

    def begin_row(self) -> None:
        """Says that what comes next is another row."""
        self.number += len(self._row)
        self._row.clear()
        self._held = self._fields = 0
        self.fault: Callable[[int], Fault] | None = None

    def first_line(self) -> str:
        """The next line that is not blank, which comes again; "" at the end, or if it is long."""
        while (line := self._next_line()) in (b"\n", b"\r\n", b"\r"):
            self.number += 1
        if not line or isinstance(line, _LongLine):
            self._again.extend([line] if line else [])
            return ""
        self._again.append(line)
        return line.decode("utf-8", "surrogateescape")

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
        separators = columns - 1
        lines = [line for line in self._row if isinstance(line, bytes)]
        return (
            len(lines) == len(self._row)
            and all(line.count(self._separator) == separators for line in lines)
            and not any(b'"' in line for line in lines[1:-1])
        )

    def end_row(self) -> None:
        """Ends a row of several lines behind its first: the others come again."""
        self._again.extendleft(reversed(self._row[1:]))
        del self._row[1:]
        self.fault = self._fault_of_first

    def __iter__(self) -> TableLines:
        return self

    def __next__(self) -> str:
        """A line; the parser asks for another one of a row only within quotes.

        Raises:
          UnclosedQuoteError: The row has too many.
        """
        line = self._next_line()
        if not line:
            raise StopIteration
        within = len(self._row) > 0
        size = 0 if isinstance(line, _LongLine) else len(line)
        if within and (len(self._row) >= MOST_LINES or self._held + size > self.most_held):
            self._again.appendleft(line)
            raise UnclosedQuoteError
        self._row.append(line)
        self._held += size
        if isinstance(line, bytes):
            self._fields += line.count(self._separator)
            if self._fields > _FEW_FIELDS:
                self._fields -= self._separators_in_quotes(b'"' + line if within else line)
            if self._fields > MOST_FIELDS:
                self.fault = too_many_values
                line = self._stand_in_for(line)
            elif self._held > self._longest:
                self.fault = too_long
        else:
            self.fault = too_long
        if not within:
            self._fault_of_first = self.fault
        if isinstance(line, _LongLine):
            line = line.within if within else line.alone
        return line.decode("utf-8", "surrogateescape")

    def _next_line(self) -> bytes | _LongLine:
        if self._again:
            return self._again.popleft()
        line = self._readline(self._longest)
        is_first = not self.bytes
        self.bytes += len(line)
        # A byte order mark that was removed makes the longest line three bytes shorter.
        is_long = len(line) >= self._longest - len(BOM) and not line.endswith(LINE_ENDS)
        if is_first:
            line = line.removeprefix(BOM)
        return self._stand_in_for(line) if is_long else line

    def _separators_in_quotes(self, row: bytes) -> int:
        quoted = (found.span() for found in self._quoted.finditer(row))
        return sum(row.count(self._separator, *span) for span in quoted)

    def _stand_in_for(self, line: bytes) -> _LongLine:
        """What stands for a line of which this has been read; reads on to its end."""
        alone, within = b"", b'"'
        while line:
            # What a line end follows is closed, though it is no separator.
            piece = line.rstrip(b"\r\n") if line.endswith(LINE_ENDS) else line
            alone, within = self._stand_in(alone + piece), self._stand_in(within + piece)
            if line.endswith(LINE_ENDS):
                break
            line = self._readline(_PIECE)
            self.bytes += len(line)
        # The parser knows already that a quote is open.
        return _LongLine(alone + b"\n", (within[1:] if within[:1] == b'"' else b'"') + b"\n")

    def _stand_in(self, line: bytes) -> bytes:
        """A shorter beginning of a line, behind which all that follows means the same."""
        for found in self._quoted.finditer(line):
            if found.end() == len(line):
                return b'""' if found[1] else b'"'
            if line[found.end()] != self._separator[0]:
                return b'""' + self._plain  # the parser refuses it
        return self._separator if line.endswith(self._separator) else self._plain
