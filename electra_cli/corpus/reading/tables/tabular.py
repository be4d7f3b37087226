"""Documents out of tables: CSV and TSV, Parquet and Arrow; each row's text is a document."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from electra_cli.corpus.reading.faults import (
    Fault,
    UnreadableError,
    ambiguous_column,
    describe_invalid_utf8,
    missing_column,
    too_long,
)
from electra_cli.corpus.reading.tables.separators import (
    Dialect,
    TableLayout,
    find_dialect,
    possible_separators,
    stated_separator,
)
from electra_cli.corpus.reading.tables.table_lines import RowEndsError, TableLines
from electra_cli.corpus.reading.texts import split_lines
from electra_cli.errors import counted


def csv_documents(
    lines: TableLines, label: str, text_field: str, *, usual: str, layout: TableLayout
) -> Iterator[Iterable[str] | Fault]:
    """Documents of a table in text whose first row names the columns.

    A row that its quotes do not end where they should is bad, and what follows its first line is
    read on: a quote that nobody closes would take all rows behind it.

    Args:
      lines: Of the table, none read yet.
      label: What errors call it.
      text_field: The column.
      usual: What separates fields unless the header shows or the layout says something else.
      layout: What is known of it.

    Raises:
      DataError: There is no such column, or the first row is no row.
    """
    csv.field_size_limit(lines.most_held)  # the limit of 128 KiB would refuse long documents
    dialect = _dialect(lines, text_field, usual, layout)
    lines.use(dialect)
    hint = _hint(dialect)
    rows = csv.reader(lines, delimiter=dialect.separator, quoting=dialect.quoting, strict=True)
    try:
        header = next(rows, None)
    except (csv.Error, RowEndsError) as error:
        if lines.is_too_long:
            raise too_long(lines.number).as_error(label, 0) from error
        what = f"{label}, line {lines.number}: {_invalid(error, lines)}"
        raise UnreadableError(what, hint=hint) from error
    if header is None:
        return
    if text_field not in header:
        raise missing_column(label, text_field, header, separator=dialect.separator)
    if header.count(text_field) > 1:
        raise ambiguous_column(label, text_field)
    column = header.index(text_field)
    while True:
        lines.begin_row()
        try:
            row = next(rows, None)
        except (csv.Error, RowEndsError) as error:
            lines.end_row()
            invalid = Fault("row", lines.number, _invalid(error, lines), hint=hint)
            yield too_long(lines.number) if lines.is_too_long else invalid
            continue
        if lines.holds_rows(len(header)):
            lines.end_row()
            what = "a quote is closed only behind lines that are rows by themselves"
            yield Fault("row", lines.number, what, hint=hint)
            continue
        if lines.is_too_long:
            yield too_long(lines.number)
            continue
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(header):
            what = f"a row of {counted(len(row), 'field')} under {counted(len(header), 'column')}"
            yield Fault("row", lines.number, what, hint=hint)
            continue
        try:
            # Only a surrogate that stands for an invalid byte comes back as that byte.
            row[column].encode("utf-8", "surrogateescape").decode("utf-8")
        except UnicodeError as error:
            yield Fault("utf8", lines.number, describe_invalid_utf8(error))
        else:
            yield split_lines(row[column])


def _dialect(lines: TableLines, text_field: str, usual: str, layout: TableLayout) -> Dialect:
    """How the rows are written, by the layout, a line as `sep=;` or the header."""
    header, separator = lines.first_line(), layout.character
    if stated := stated_separator(header):
        lines.skip_line()
        header, separator = lines.first_line(), separator or stated
    return find_dialect(header, text_field, possible_separators(usual, separator), layout.quoting)


def _invalid(error: csv.Error | RowEndsError, lines: TableLines) -> str:
    if isinstance(error, csv.Error):
        return f"not valid CSV ({error})"
    return (
        f"a quote is not closed within {lines.most_lines:,} lines and {lines.most_held:,} bytes, "
        "which is all that a row may have"
    )


def _hint(dialect: Dialect) -> str:
    """What to do about bad rows."""
    if dialect.quoted:
        return (
            'quote fields with ", double the " within, say --quoting none if a quote is a '
            "character like any other, or leave such rows out with --on-error skip"
        )
    return (
        "say --quoting csv if fields stand in quotes, or leave such rows out with --on-error skip"
    )


def table_documents(
    texts: Iterator[bytes | None], text_field: str, longest: int
) -> Iterator[tuple[int, Iterable[str] | Fault]]:
    """Documents of a column, each with the bytes of its text.

    Args:
      texts: Of the rows.
      text_field: The column.
      longest: Bytes that a text may have.
    """
    for number, raw in enumerate(texts, start=1):
        if raw is None:
            what = f"column {text_field!r} holds null where text is needed"
            yield 0, Fault("row", number, what, unit="row")
            continue
        if len(raw) > longest:
            yield len(raw), too_long(number, unit="row")
            continue
        try:
            yield len(raw), split_lines(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield len(raw), Fault("utf8", number, describe_invalid_utf8(error), unit="row")
