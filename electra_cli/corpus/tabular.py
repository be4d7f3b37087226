"""Documents out of tables: CSV and TSV, Parquet and Arrow; each row's text is a document."""

from __future__ import annotations

import csv
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from electra_cli.corpus.arrow_batches import (
    Cell,
    LayoutError,
    column_place,
    held,
    read_batches,
    text_cells,
)
from electra_cli.corpus.compression import Budget
from electra_cli.corpus.faults import (
    DamagedError,
    Fault,
    UnreadableError,
    ambiguous_column,
    describe_invalid_utf8,
    missing_column,
    too_long,
)
from electra_cli.corpus.parquet_pages import Page, read_pages, rows_at_once
from electra_cli.corpus.texts import BOM, split_lines
from electra_cli.corpus.universal_lines import LINE_ENDS, UniversalLines
from electra_cli.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_ROWS = 1024
# What libraries decode in one piece and we cannot cut; `prepare-data` has room for that much.
_DECODED_AT_ONCE = 160 * 2**20
# Dictionaries that are looked into first; writers keep them below a megabyte as a rule.
_DICTIONARY_BYTES = 4 * 2**20
_FETCH = "make or fetch the file again"


class CountedLines:
    """Lines of a stream as text, their ends kept; invalid bytes become lone surrogates.

    Args:
      stream: At the beginning of a line.
      longest: Bytes of a row that are held at once; of a longer one comes the beginning, closed
        where it breaks off.

    Attributes:
      bytes: Read so far.
      too_long: Whether a row was too long since the caller last called `begin_row`.
    """

    def __init__(self, stream: BinaryIO, longest: int = 2**30) -> None:
        self._readline = UniversalLines(stream).readline
        self._longest = longest
        self.bytes = 0
        self.too_long = False
        self._in_row = 0
        self._quotes = 0

    def begin_row(self) -> None:
        """Says that what comes next is another row."""
        self.too_long = False
        self._in_row = self._quotes = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._readline(self._longest):
            is_first = not self.bytes
            self._quotes += line.count(b'"')
            self.bytes += len(line)
            self._in_row += len(line)
            line = line.removeprefix(BOM) if is_first else line
            if self._in_row >= self._longest - len(BOM) and self._is_too_long(line):
                line = self._skip_row(line)
            yield line.decode("utf-8", "surrogateescape")

    def _is_too_long(self, line: bytes) -> bool:
        return self._in_row > self._longest or not line.endswith(LINE_ENDS)

    def _skip_row(self, line: bytes) -> bytes:
        """Reads on to the end of the row, and returns what ends it for the parser."""
        self.too_long = True
        in_quotes = (self._quotes - line.count(b'"')) % 2
        while line and (self._quotes % 2 or not line.endswith(LINE_ENDS)):
            line = self._readline(2**16)
            self._quotes += line.count(b'"')
            self.bytes += len(line)
        return b'"\n' if in_quotes else b"\n"


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
        # Blank lines may precede it.
        header = next((row for row in rows if row or lines.too_long), None)
    except csv.Error as error:
        raise UnreadableError(f"{label}, line 1: not valid CSV ({error})", hint=_QUOTES) from error
    if lines.too_long:
        raise too_long(rows.line_num).as_error(label, 0)
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
            if lines.too_long:
                yield too_long(rows.line_num)
            else:
                yield Fault("row", rows.line_num, f"not valid CSV ({error})", hint=_QUOTES)
            continue
        if lines.too_long:  # the row is not whole
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
        column = _parquet_column(file, label, text_field)
        metadata = file.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        return [(group.num_rows, group.column(column).total_uncompressed_size) for group in groups]


def parquet_texts(
    stream: BinaryIO,
    label: str,
    text_field: str,
    groups: range | None,
    *,
    longest: int = 2**30,
) -> Iterator[Cell]:
    """The text of each row, in UTF-8 if it is valid; null is None.

    Args:
      stream: Can seek.
      label: What errors call the file.
      text_field: The column.
      groups: Row groups to read; None for all.
      longest: Bytes of a text; of a longer one the size comes.

    Raises:
      DataError: As `parquet_row_groups`, or a page is damaged, or too large to be decoded.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        column = _parquet_column(file, label, text_field)
        for number in groups if groups is not None else range(file.num_row_groups):
            pages = list(read_pages(stream, file.metadata.row_group(number).column(column)))
            largest = max((page.bytes for page in pages), default=0)
            if largest > _DECODED_AT_ONCE:
                raise _too_large(f"{label}: a page of row group {number}", largest)
            rows = rows_at_once(
                pages, _largest_in_dictionary(stream, file, number, pages, text_field)
            )
            batches = file.iter_batches(batch_size=rows, row_groups=[number], columns=[text_field])
            for batch in batches:
                yield from _cells(batch, text_field, longest)


def arrow_texts(
    stream: BinaryIO, label: str, text_field: str, *, longest: int = 2**30
) -> Iterator[Cell]:
    """As `parquet_texts`, of an Arrow file or stream, which can seek."""
    from pyarrow import ipc

    begin = stream.tell()
    is_file = stream.read(6) == b"ARROW1"
    stream.seek(begin)
    open_ = ipc.open_file if is_file else ipc.open_stream
    with _arrow_errors(label, "Arrow"):
        with open_(stream) as reader:
            schema = reader.schema
            expected = reader.num_record_batches if is_file else None
        text_type = _check_column(schema, label, text_field)
        stream.seek(begin)
        place = column_place(schema, text_field)
        if place is not None and str(text_type) in ("string", "large_string"):
            found = 0
            for batch in read_batches(stream):
                if not batch.is_dictionary:
                    found += 1
                    wide = str(text_type) == "large_string"
                    yield from text_cells(stream, batch, place, wide=wide, longest=longest)
            if expected not in (None, found):
                raise LayoutError(f"{found} of {expected} batches are there")
            return
        _check_batches(stream, label)
        stream.seek(begin)
        with open_(stream) as reader:
            batches = map(reader.get_batch, range(expected)) if expected is not None else reader
            for decoded in batches:
                yield from _cells(decoded, text_field, longest)


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


def _parquet(stream: BinaryIO, **options: Any) -> Any:
    from pyarrow.parquet import ParquetFile

    # Without the buffers a whole row group would be read at once.
    return ParquetFile(stream, buffer_size=2**20, pre_buffer=False, **options)


def _largest_in_dictionary(
    stream: BinaryIO, file: Any, group: int, pages: list[Page], text_field: str
) -> int | None:
    """Bytes of the largest value in the dictionary of a column; None if it is too large to look."""
    size = sum(page.uncompressed for page in pages if page.is_dictionary)
    if not 0 < size <= _DICTIONARY_BYTES:
        return None
    from pyarrow import compute

    # Read as a dictionary, the first row brings all of it. Reading all rows so would be slow.
    as_dictionary = _parquet(stream, metadata=file.metadata, read_dictionary=[text_field])
    batches = as_dictionary.iter_batches(batch_size=1, row_groups=[group], columns=[text_field])
    for batch in batches:
        values = _as_binary(batch.column(text_field).dictionary)
        return int(compute.max(compute.binary_length(values)).as_py() or 0)
    return None


def _parquet_column(file: Any, label: str, text_field: str) -> int:
    """The number of the column among the leaves of the schema, which are what the file has."""
    _check_column(file.schema_arrow, label, text_field)
    schema = file.metadata.schema
    return [schema.column(leaf).path for leaf in range(len(schema))].index(text_field)


def _check_column(schema: pyarrow.Schema, label: str, text_field: str) -> pyarrow.DataType:
    """The type of the column.

    Raises:
      DataError: There is none or more than one of the name, or it holds no text.
    """
    import pyarrow.types as kinds

    if text_field not in schema.names:
        raise missing_column(label, text_field, schema.names)
    if schema.names.count(text_field) > 1:
        raise ambiguous_column(label, text_field)
    actual = schema.field(text_field).type
    text = actual.value_type if kinds.is_dictionary(actual) else actual
    if not (kinds.is_string(text) or kinds.is_large_string(text) or kinds.is_string_view(text)):
        raise DataError(
            f"{label}: column {text_field!r} holds {actual} where text is needed",
            hint="name the column that holds the text with --text-field",
        )
    return actual


def _check_batches(stream: BinaryIO, label: str) -> None:
    """Makes sure that the library can decode each batch, and hold all dictionaries besides."""
    dictionaries = 0
    for number, batch in enumerate(read_batches(stream)):
        size = batch.decoded_bytes(stream)
        dictionaries += size if batch.is_dictionary else 0
        held_at_once = dictionaries + (0 if batch.is_dictionary else size)
        if held_at_once > _DECODED_AT_ONCE:
            raise _too_large(f"{label}: message {number}", held_at_once)


def _too_large(what: str, size: int) -> DamagedError:
    return DamagedError(
        f"{what} would take {size:,} bytes of memory at once, more than {_DECODED_AT_ONCE:,}",
        hint="write the table again with fewer rows in a row group or batch, as with "
        "pyarrow.parquet.write_table(table, path, row_group_size=100), or as JSON lines",
    )


def _cells(batch: pyarrow.RecordBatch, text_field: str, longest: int) -> Iterator[Cell]:
    """The cells of a column; such as share their bytes are taken out one by one."""
    import pyarrow
    import pyarrow.types as kinds

    column = batch.column(text_field)
    if kinds.is_dictionary(column.type):
        values = _as_binary(column.dictionary)
        # Also makes sure that there is a value for each index.
        column = pyarrow.DictionaryArray.from_arrays(column.indices, values)
        for index in column.indices:
            cell = values[index.as_py()].as_py() if index.is_valid else None
            yield None if cell is None else held(cell, longest)
        return
    column = _as_binary(column)
    rows = 1 if kinds.is_binary_view(column.type) else _ROWS
    for begin in range(0, len(column), rows):
        for cell in column.slice(begin, rows).to_pylist():
            yield None if cell is None else held(cell, longest)


def _as_binary(texts: pyarrow.Array) -> pyarrow.Array:
    """Texts as bytes, because one invalid text would make all fail."""
    import pyarrow
    import pyarrow.types as kinds

    if kinds.is_string_view(texts.type):
        texts = texts.cast(pyarrow.binary_view())
    else:
        wide = kinds.is_large_string(texts.type)
        texts = texts.cast(pyarrow.large_binary() if wide else pyarrow.binary())
    texts.validate(full=True)  # damaged offsets would point anywhere into memory
    return texts


@contextmanager
def _arrow_errors(label: str, kind: str) -> Iterator[None]:
    """Turns what pyarrow raises for damaged files into our error."""
    from pyarrow import ArrowException

    try:
        yield
    # Of these the library lets pass what damaged metadata leads to; so do our own parsers.
    except (ArrowException, OSError, LookupError, TypeError, ValueError, OverflowError) as error:
        # A real failure of the disk has another number than seeking to where nothing can be.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        what = str(error).strip().split("\n")[0]
        raise DamagedError(f"{label}: damaged or truncated {kind} ({what})", hint=_FETCH) from error
