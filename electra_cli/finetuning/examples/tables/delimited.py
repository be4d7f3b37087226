"""CSV and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.reading.naming import ending_format
from electra_cli.corpus.reading.tables.separators import (
    Dialect,
    find_dialect,
    possible_separators,
    stated_separator,
)
from electra_cli.errors import DataError, counted
from electra_cli.finetuning.examples.content import faulty
from electra_cli.finetuning.examples.tables.table import Table, column_number, places_of

_LARGEST_FIELD = 2**30
_FORMATS = {",": "CSV", "\t": "TSV"}


def read_delimited(
    text: str, path: Path, task: TaskConfig, wanted: Sequence[str], *, skips_short_rows: bool
) -> Table:
    """Some columns of CSV or TSV.

    Args:
      text: The whole file.
      path: The file.
      task: Whether it has a header, and how it is quoted.
      wanted: The columns.
      skips_short_rows: Rows that lack one of them are passed over and noted, and rows of more
        fields are read; else both are errors.

    Raises:
      DataError: A column is not there, or rows are not as the first one.
    """
    stream = io.StringIO(text, newline="")
    dialect, before = _dialect(stream, path, task, wanted)
    format = _FORMATS.get(dialect.separator, f"CSV, separated by {dialect.separator!r}")
    rows = _rows(stream, path, dialect, before)
    number, first = next(rows, (0, []))
    if not first:
        return Table(
            format, {name: [] for name in wanted}, dict.fromkeys(wanted, "text"), [], "line"
        )
    width = len(first)
    places = places_of(wanted, first if task.header else None, width, path, format)
    kept: list[list[str]] = []
    numbers: list[int] = []
    odd: list[str] = []
    longer = 0
    if not task.header:
        kept.append(first)
        numbers.append(number)
    for number, row in rows:
        if len(row) != width:
            if not skips_short_rows or len(row) <= max(places):
                odd.append(f"line {number:,} has {len(row):,}")
                continue
            longer += len(row) > width
        kept.append(row)
        numbers.append(number)

    if odd and not skips_short_rows:
        what = f"without the {counted(width, 'field')} of the first"
        raise faulty(path, "row", what, odd, hint=_hint(dialect))
    columns = [[row[place] for row in kept] for place in places]
    notes = []
    if odd:
        notes.append(f"{counted(len(odd), 'row')} of too few fields passed over, as {odd[0]}")
    if longer:
        notes.append(f"{counted(longer, 'row')} with more fields than columns")
    if not dialect.quoted and task.quoting == "auto":
        notes += _looks_quoted(columns)
    cells = dict(zip(wanted, columns, strict=True))
    types = {name: _type(column) for name, column in cells.items()}
    return Table(format, cells, types, numbers, "line", tuple(notes))


def _dialect(
    stream: io.StringIO, path: Path, task: TaskConfig, wanted: Sequence[str]
) -> tuple[Dialect, int]:
    """How rows are written, and how many lines stand before them; the stream is behind those.

    The header shows it by the column of the text, without names the file's name does.
    """
    first, before = _first_line(stream), 0
    if stated := stated_separator(first):
        before = 1
        begin = stream.tell()
        first = _first_line(stream)
        stream.seek(begin)
    else:
        stream.seek(0)
    ending = ending_format(path.name)
    usual = "\t" if ending == "tsv" or (ending != "csv" and "\t" in first) else ","
    separators = possible_separators(usual, stated)
    if not task.header or column_number(wanted[0]) is not None:
        separators = [usual if usual in first else max(separators, key=first.count)]
    return find_dialect(first, wanted[0], separators, task.quoting), before


def _first_line(stream: io.StringIO) -> str:
    """The next line that is not blank, without its end."""
    while (line := stream.readline()) and not line.strip("\r\n"):
        pass
    return line.rstrip("\r\n")


def _rows(
    stream: io.StringIO, path: Path, dialect: Dialect, before: int
) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its first line."""
    csv.field_size_limit(_LARGEST_FIELD)  # the limit of 128 KiB would refuse long texts
    rows = csv.reader(stream, delimiter=dialect.separator, quoting=dialect.quoting, strict=True)
    end = before
    try:
        for row in rows:
            begin, end = end + 1, before + rows.line_num
            if row:
                yield begin, row
    except csv.Error as error:
        is_open = "unexpected end" in str(error)
        what = "a quote that opens a field is never closed" if is_open else f"no CSV ({error})"
        raise DataError(f"{path}, line {end + 1:,}: {what}", hint=_hint(dialect)) from None


def _hint(dialect: Dialect) -> str:
    if dialect.quoted:
        return (
            'quote fields with ", double the " within; or --set task.quoting=none if a quote is a '
            "character like any other"
        )
    return "mend the rows, or --set task.quoting=csv if fields stand in quotes"


def _type(column: Sequence[str]) -> str:
    """What all texts of a column can be read as."""
    different = set(column)
    kinds: tuple[tuple[str, type], ...] = (("integer", int), ("number", float))
    for name, kind in kinds if different else ():
        try:
            for text in different:
                kind(text)
        except ValueError:
            continue
        return name
    return "text"


def _looks_quoted(columns: Sequence[Sequence[str]]) -> list[str]:
    """A note if texts look as if their quotes were CSV's."""
    found = [
        text
        for column in columns
        for text in column
        if text[:1] == '"' == text[-1:] and '""' in text[1:-1]
    ]
    if not found:
        return []
    return [
        f"{counted(len(found), 'text')} in quotes with doubled quotes, such as {found[0][:60]}: "
        "--set task.quoting=csv if they are CSV's"
    ]
