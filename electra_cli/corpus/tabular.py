"""Documents out of tables: CSV and TSV, Parquet and Arrow; each row's text is a document."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from electra_cli.corpus.faults import (
    Document,
    Fault,
    describe_invalid_utf8,
    missing_column,
    too_long,
)
from electra_cli.corpus.texts import BOM, split_lines
from electra_cli.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1024
_BATCH_BYTES = 8 * 2**20
_FETCH = "make or fetch the file again"


class CountedLines:
    """Lines of a stream as text, their ends kept; invalid bytes become lone surrogates.

    Args:
      stream: At the beginning of a line.
      longest: Bytes of a line that are held at once; a longer one comes as an empty one.

    Attributes:
      bytes: Read so far.
      too_long: Whether a line was too long since the caller last cleared this.
      quotes: Quotation marks since the caller last cleared this.
    """

    def __init__(self, stream: BinaryIO, longest: int = 2**30) -> None:
        self._stream = stream
        self._longest = longest
        self.bytes = 0
        self.too_long = False
        self.quotes = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(self._longest):
            is_first = not self.bytes
            self.quotes += line.count(b'"')
            self.bytes += len(line)
            line = line.removeprefix(BOM) if is_first else line
            if len(line) >= self._longest - len(BOM) and not line.endswith(b"\n"):
                self.too_long = True
                while not line.endswith(b"\n") and (line := self._stream.readline(2**16)):
                    self.bytes += len(line)
                line = b"\n"
            for piece in line.splitlines(keepends=True) if b"\r" in line else [line]:
                yield piece.decode("utf-8", "surrogateescape")


def csv_documents(
    lines: CountedLines, label: str, text_field: str, *, delimiter: str, longest: int = 2**30
) -> Iterator[Document | Fault]:
    """Documents of a table in text whose first row names the columns.

    Raises:
      DataError: There is no such column, or the first row is no row.
    """
    csv.field_size_limit(longest)  # the limit of 128 KiB would refuse long documents
    source = iter(lines)
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    try:
        header = next(rows, None)
    except csv.Error as error:
        raise DataError(f"{label}, line 1: not valid CSV ({error})", hint=_QUOTES) from error
    if header is None:
        return
    if text_field not in header:
        raise missing_column(label, text_field, header)
    column = header.index(text_field)
    while True:
        lines.quotes = 0
        try:
            row = next(rows, None)
        except csv.Error as error:
            if "field limit" in str(error):
                # Begun within quotes, the rest of the field would look like rows.
                while lines.quotes % 2 and next(source, None) is not None:
                    pass
                yield too_long(rows.line_num)
                continue
            yield Fault("row", rows.line_num, f"not valid CSV ({error})", hint=_QUOTES)
            continue
        if lines.too_long:  # the row is not whole, or it is what the line has become
            lines.too_long = False
            yield too_long(rows.line_num)
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


def parquet_row_groups(stream: BinaryIO, label: str, text_field: str) -> list[tuple[int, int]]:
    """Rows and uncompressed bytes of the text in each row group.

    Raises:
      DataError: It is no whole Parquet file, or has no such column of text.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        _check_column(file.schema_arrow, label, text_field)
        metadata = file.metadata
        # The columns of the file are the leaves of the schema.
        leaves = [metadata.schema.column(leaf).path for leaf in range(metadata.num_columns)]
        column = leaves.index(text_field)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        return [(group.num_rows, group.column(column).total_uncompressed_size) for group in groups]


def parquet_texts(
    stream: BinaryIO, label: str, text_field: str, groups: range | None
) -> Iterator[bytes | None]:
    """The text of each row, in UTF-8 if it is valid; null is None.

    Args:
      stream: Can seek.
      label: What errors call the file.
      text_field: The column.
      groups: Row groups to read; None for all.

    Raises:
      DataError: As `parquet_row_groups`, or a page is damaged.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        _check_column(file.schema_arrow, label, text_field)
        batches = file.iter_batches(
            batch_size=_batch_rows(file.metadata),
            row_groups=list(groups if groups is not None else range(file.num_row_groups)),
            columns=[text_field],
        )
        for batch in batches:
            yield from _texts(batch, text_field)


def arrow_texts(stream: BinaryIO, label: str, text_field: str) -> Iterator[bytes | None]:
    """As `parquet_texts`, of an Arrow file, which has to seek, or an Arrow stream."""
    from pyarrow import ipc

    with _arrow_errors(label, "Arrow"):
        if _is_arrow_file(stream):
            with ipc.open_file(stream) as reader:
                _check_column(reader.schema, label, text_field)
                for number in range(reader.num_record_batches):
                    yield from _texts(reader.get_batch(number), text_field)
        else:
            with ipc.open_stream(stream) as reader:
                _check_column(reader.schema, label, text_field)
                for batch in reader:
                    yield from _texts(batch, text_field)


def table_documents(
    texts: Iterator[bytes | None], text_field: str
) -> Iterator[tuple[int, Document | Fault]]:
    """Documents of a column, each with the bytes of its text."""
    for number, raw in enumerate(texts, start=1):
        if raw is None:
            what = f"column {text_field!r} holds null where text is needed"
            yield 0, Fault("row", number, what, unit="row")
            continue
        try:
            yield len(raw), split_lines(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield len(raw), Fault("utf8", number, describe_invalid_utf8(error), unit="row")


def _parquet(stream: BinaryIO) -> Any:
    from pyarrow.parquet import ParquetFile

    # Without the buffers a whole row group would be read at once.
    return ParquetFile(stream, buffer_size=2**20, pre_buffer=False)


def _batch_rows(metadata: Any) -> int:
    """Rows to decode at once, few if they are large; by the group with the largest ones."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(largest, 1)))


def _is_arrow_file(stream: BinaryIO) -> bool:
    begin = stream.tell()
    magic = stream.read(6)
    stream.seek(begin)
    return magic == b"ARROW1"


def _check_column(schema: pyarrow.Schema, label: str, text_field: str) -> None:
    import pyarrow.types as kinds

    if text_field not in schema.names:
        raise missing_column(label, text_field, schema.names)
    actual = schema.field(text_field).type
    text = actual.value_type if kinds.is_dictionary(actual) else actual
    if not (kinds.is_string(text) or kinds.is_large_string(text) or kinds.is_string_view(text)):
        raise DataError(
            f"{label}: column {text_field!r} holds {actual} where text is needed",
            hint="name the column that holds the text with --text-field",
        )


def _texts(batch: pyarrow.RecordBatch, text_field: str) -> Iterator[bytes | None]:
    import pyarrow
    import pyarrow.types as kinds

    column = batch.column(text_field)
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    # As bytes, because one invalid text would make the whole batch fail.
    wide = kinds.is_large_string(column.type)
    column = column.cast(pyarrow.large_binary() if wide else pyarrow.binary())
    column.validate(full=True)  # damaged offsets would point anywhere into memory
    for begin in range(0, len(column), _BATCH_ROWS):  # an Arrow batch may have millions of rows
        yield from column.slice(begin, _BATCH_ROWS).to_pylist()


@contextmanager
def _arrow_errors(label: str, kind: str) -> Iterator[None]:
    """Turns what pyarrow raises for damaged files into our error."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError) as error:
        # A real failure of the disk has a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        what = str(error).strip().split("\n")[0]
        raise DataError(f"{label}: damaged or truncated {kind} ({what})", hint=_FETCH) from error
