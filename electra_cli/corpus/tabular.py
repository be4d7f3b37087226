"""Documents out of tables: CSV and TSV, Parquet and Arrow; each row's text is a document."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from electra_cli.corpus.arrow_batches import Cell
from electra_cli.corpus.compression import Budget
from electra_cli.corpus.faults import (
    Fault,
    UnreadableError,
    ambiguous_column,
    describe_invalid_utf8,
    missing_column,
    too_long,
    too_many_values,
)
from electra_cli.corpus.texts import BOM, split_lines
from electra_cli.corpus.universal_lines import LINE_ENDS, UniversalLines

# Of a row; those of other columns take memory that is not the text's.
_MOST_FIELDS = 2**19
_FEW_FIELDS = 2**16  # so few that delimiters within quotes may be among them
_PIECE = 2**16  # bytes of a row that is skipped to be read at once


class CountedLines:
    """Lines of a stream as text, their ends kept; invalid bytes become lone surrogates.

    Args:
      stream: At the beginning of a line.
      delimiter: Of fields; a row with very many is too long.
      longest: Bytes of a row that are held at once; of a longer one comes the beginning, closed
        where it breaks off.

    Attributes:
      bytes: Read so far.
      fault: Makes the fault of a row that was too long since the caller last called `begin_row`,
        from the number of its line.
    """

    def __init__(self, stream: BinaryIO, delimiter: str, longest: int = 2**30) -> None:
        self._delimiter = delimiter.encode()
        self._readline = UniversalLines(stream).readline
        self._longest = longest
        # A quote opens at the beginning of a field only; the group is what closes it.
        self._quoted = re.compile(rb'"(?<![^%b]")(?:[^"]++|"")*+("?)' % self._delimiter)
        self.bytes = 0
        self.begin_row()

    def begin_row(self) -> None:
        """Says that what comes next is another row."""
        self.fault: Callable[[int], Fault] | None = None
        self._in_row = self._fields = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._readline(self._longest):
            is_first = not self.bytes
            # The parser asks for another line of a row only within quotes.
            in_quotes = self._in_row > 0
            self.bytes += len(line)
            self._in_row += len(line)
            line = line.removeprefix(BOM) if is_first else line
            self._fields += line.count(self._delimiter)
            if self._fields > _FEW_FIELDS:
                self._fields -= self._delimiters_in_quotes(b'"' + line if in_quotes else line)
            if self._is_too_long(line):
                self.fault = too_many_values if self._fields > _MOST_FIELDS else too_long
                self._skip_row(b'"' + line if in_quotes else line)
                line = b'"\n' if in_quotes else b"\n"  # ends the row for the parser
            yield line.decode("utf-8", "surrogateescape")

    def _delimiters_in_quotes(self, row: bytes) -> int:
        quoted = (found.span() for found in self._quoted.finditer(row))
        return sum(row.count(self._delimiter, *span) for span in quoted)

    def _is_too_long(self, line: bytes) -> bool:
        if self._fields > _MOST_FIELDS or self._in_row > self._longest:
            return True
        # A byte order mark that was removed makes the longest line three bytes shorter.
        return self._in_row >= self._longest - len(BOM) and not line.endswith(LINE_ENDS)

    def _skip_row(self, row: bytes) -> None:
        """Reads on to the end of a row of which this has been read."""
        before = self._stand_in(row)
        while row and (before == b'"' or not row.endswith(LINE_ENDS)):
            row = self._readline(_PIECE)
            self.bytes += len(row)
            before = self._stand_in(before + row)

    def _stand_in(self, row: bytes) -> bytes:
        """A shorter beginning of a row, behind which all that follows means the same."""
        for found in self._quoted.finditer(row):
            if found.end() == len(row):
                return b'""' if found[1] else b'"'
            if row[found.end()] != self._delimiter[0]:
                return b'""x'  # the parser refuses it, and takes the next line for another row
        return self._delimiter if row.endswith(self._delimiter) else b"x"


def csv_documents(
    lines: CountedLines, label: str, text_field: str, *, delimiter: str, longest: int = 2**30
) -> Iterator[Iterable[str] | Fault]:
    """Documents of a table in text whose first row names the columns.

    Raises:
      DataError: There is no such column, or the first row is no row.
    """
    csv.field_size_limit(longest)  # the limit of 128 KiB would refuse long documents
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        while (header := next(rows, None)) == [] and not lines.fault:
            lines.begin_row()  # blank lines may precede it
    except csv.Error as error:
        raise UnreadableError(f"{label}, line 1: not valid CSV ({error})", hint=_QUOTES) from error
    if lines.fault:
        raise lines.fault(rows.line_num).as_error(label, 0)
    if header is None:
        return
    if text_field not in header:
        raise missing_column(label, text_field, header)
    if header.count(text_field) > 1:
        raise ambiguous_column(label, text_field)
    column = header.index(text_field)
    while True:
        lines.begin_row()
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Fault("row", rows.line_num, f"not valid CSV ({error})", hint=_QUOTES)
            continue
        if lines.fault:  # the row is not whole
            yield lines.fault(rows.line_num)
            continue
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(header):
            what = f"a row of {len(row)} fields under {len(header)} columns"
            yield Fault("row", rows.line_num, what, hint=_QUOTES)
            continue
        try:
            # Only a surrogate that stands for an invalid byte comes back as that byte.
            row[column].encode("utf-8", "surrogateescape").decode("utf-8")
        except UnicodeError as error:
            yield Fault("utf8", rows.line_num, describe_invalid_utf8(error))
        else:
            yield split_lines(row[column])


_QUOTES = 'quote fields with ", double the " within, or leave such rows out with --on-error skip'


def table_documents(
    texts: Iterator[Cell], text_field: str, budget: Budget
) -> Iterator[tuple[int, Iterable[str] | Fault]]:
    """Documents of a column, each with the bytes of its text.

    Args:
      texts: Of the rows.
      text_field: The column.
      budget: Is charged with the texts: a few bytes of a table can stand for any number of rows.

    Raises:
      DataError: They are too many for the file.
    """
    for number, raw in enumerate(texts, start=1):
        if raw is None:
            what = f"column {text_field!r} holds null where text is needed"
            yield 0, Fault("row", number, what, unit="row")
            continue
        if isinstance(raw, int):
            budget.charge(raw)
            yield raw, too_long(number, unit="row")
            continue
        budget.charge(len(raw))
        try:
            yield len(raw), split_lines(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield len(raw), Fault("utf8", number, describe_invalid_utf8(error), unit="row")
