"""The column of text in Parquet and Arrow, a cell at a time."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from electra_cli.corpus.reading.faults import DamagedError, ambiguous_column, missing_column
from electra_cli.corpus.reading.tables.arrow_batches import (
    Cell,
    LayoutError,
    column_place,
    held,
    read_batches,
    text_cells,
)
from electra_cli.corpus.reading.tables.parquet_pages import Page, read_pages, rows_at_once
from electra_cli.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_ROWS = 1024
# What libraries decode in one piece and we cannot cut; `prepare-data` has room for that much.
_DECODED_AT_ONCE = 160 * 2**20
# Dictionaries that are looked into first; writers keep them below a megabyte as a rule.
_DICTIONARY_BYTES = 4 * 2**20
_FETCH = "make or fetch the file again"


def parquet_row_groups(stream: BinaryIO, label: str, text_field: str) -> list[tuple[int, int]]:
    """Rows and uncompressed bytes of the text in each row group.

    Raises:
      DataError: It is no whole Parquet file, or has no such column of text.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        chunks = _Chunks(stream, file, label, text_field)
        return [
            (file.metadata.row_group(number).num_rows, chunks.of(number).total_uncompressed_size)
            for number in range(file.num_row_groups)
        ]


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
        chunks = _Chunks(stream, file, label, text_field)
        for number in groups if groups is not None else range(file.num_row_groups):
            pages = list(read_pages(stream, chunks.of(number)))
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


def _parquet(stream: BinaryIO | io.RawIOBase, **options: Any) -> Any:
    from pyarrow.parquet import ParquetFile

    # Without the buffers a whole row group would be read at once. Checksums, where a writer put
    # them, are not looked at unless one asks.
    return ParquetFile(
        stream, buffer_size=2**20, pre_buffer=False, page_checksum_verification=True, **options
    )


class _Chunks:
    """The metadata of a column in each row group.

    Asked for it, the library ends the process where it is damaged or encrypted. Reading the column
    raises an error for the same reason, so reading is begun before, and ends at the first page.
    """

    def __init__(self, stream: BinaryIO, file: Any, label: str, text_field: str) -> None:
        self._metadata, self._text_field = file.metadata, text_field
        self._column = _parquet_column(file, label, text_field)
        place = stream.tell()
        self._probe = _parquet(_NoPages(stream.seek(0, io.SEEK_END)), metadata=file.metadata)
        stream.seek(place)

    def of(self, group: int) -> Any:
        """That of one group.

        Raises:
          OSError: It is damaged or encrypted.
        """
        with suppress(_PageReachedError):
            next(
                self._probe.iter_batches(
                    batch_size=1, row_groups=[group], columns=[self._text_field], use_threads=False
                ),
                None,
            )
        return self._metadata.row_group(group).column(self._column)


class _PageReachedError(Exception):
    """The metadata of a column was in order."""


class _NoPages(io.RawIOBase):
    """Has the size of a file, and none of its bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}
        self._place = bases[whence] + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        raise _PageReachedError


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
