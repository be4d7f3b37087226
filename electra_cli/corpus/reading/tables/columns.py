"""The column of text in Parquet and Arrow, a row at a time; pyarrow reads both."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from electra_cli.corpus.reading.faults import (
    DamagedError,
    ambiguous_column,
    missing_column,
    with_name,
)
from electra_cli.errors import DataError

if TYPE_CHECKING:
    import pyarrow

# Bytes of text that a row group or a record batch may hold. A page of Parquet or a compressed
# batch is decoded whole, and can be as large as what it is in.
LARGEST_GROUP = 2**30

_ROWS = 64  # so few that their texts are small together, also where they share one
_FILE_BEGINS = b"ARROW1\0\0"
_FETCH = "make or fetch the file again"
_REWRITE_PARQUET = (
    "`python -c 'import sys, pyarrow.parquet as p; f = p.ParquetFile(sys.argv[1]); "
    "w = p.ParquetWriter(sys.argv[2], f.schema_arrow); "
    "[w.write_batch(b) for b in f.iter_batches(1000)]; w.close()' FILE FILE.parquet` writes it "
    "again with 1,000 rows in a row group"
)
_REWRITE_ARROW = (
    "`python -c 'import sys, pyarrow as a, pyarrow.parquet as p; "
    "t = a.ipc.OPEN(a.memory_map(sys.argv[1])).read_all(); "
    "p.write_table(t, sys.argv[2], row_group_size=1000)' FILE FILE.parquet` writes it as Parquet "
    "with 1,000 rows in a row group"
)


def parquet_row_groups(
    stream: BinaryIO, label: str, text_field: str, *, largest: int = LARGEST_GROUP
) -> list[tuple[int, int]]:
    """Rows and uncompressed bytes of the text in each row group.

    Args:
      stream: Can seek.
      label: What errors call the file.
      text_field: The column.
      largest: Bytes of text in a row group.

    Raises:
      DataError: It is no whole Parquet file, has no such column of text, or a row group is too
        large.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        return _groups(file, label, text_field, range(file.num_row_groups), largest)


def parquet_texts(
    stream: BinaryIO,
    label: str,
    text_field: str,
    groups: range | None,
    *,
    largest: int = LARGEST_GROUP,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[bytes | None]:
    """The text of each row, in UTF-8 if it is valid; null is None.

    Args:
      stream: Can seek.
      label: What errors call the file.
      text_field: The column.
      groups: Row groups to read; None for all.
      largest: Bytes of text in a row group.
      on_share: Receives how much of them is read, 0 to 1.

    Raises:
      DataError: As `parquet_row_groups`, or a page is damaged.
    """
    with _arrow_errors(label, "Parquet"), _parquet(stream) as file:
        numbers = range(file.num_row_groups) if groups is None else groups
        rows = sum(rows for rows, _ in _groups(file, label, text_field, numbers, largest))
        done = 0
        for batch in file.iter_batches(_ROWS, row_groups=list(numbers), columns=[text_field]):
            done += len(batch)
            on_share(done / rows)
            yield from _texts(batch.column(0))


def arrow_texts(
    stream: BinaryIO, label: str, text_field: str, *, largest: int = LARGEST_GROUP
) -> Iterator[bytes | None]:
    """The same of an Arrow file or stream; a file is a stream between two marks.

    Args:
      stream: Of a file, at its beginning; the file is mapped into memory.
      label: What errors call the file.
      text_field: The column.
      largest: Bytes of text in a record batch.

    Raises:
      DataError: It is damaged, has no such column of text, or a record batch is too large.
    """
    import pyarrow
    from pyarrow import ipc

    begin = len(_FILE_BEGINS) if stream.read(len(_FILE_BEGINS)) == _FILE_BEGINS else 0
    mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    with _arrow_errors(label, "Arrow"), pyarrow.BufferReader(mapped) as content:
        content.seek(begin)
        schema = ipc.open_stream(content).schema
        _check_column(schema, label, text_field)
        content.seek(begin)
        options = ipc.IpcReadOptions(included_fields=[schema.names.index(text_field)])
        found = 0
        for batch in ipc.open_stream(content, options=options):
            stream.seek(content.tell())  # progress is measured by it
            if batch.nbytes > largest:
                rewrite = _REWRITE_ARROW.replace("OPEN", "open_file" if begin else "open_stream")
                raise _too_large(label, f"record batch {found}", batch.nbytes, largest, rewrite)
            yield from _texts(batch.column(0))
            found += 1
        if begin and found != (there := ipc.open_file(content).num_record_batches):
            raise ValueError(f"{found} of {there} batches are there")


def _parquet(stream: BinaryIO) -> Any:
    from pyarrow.parquet import ParquetFile

    # Without the buffers a whole row group would be read at once. Checksums, where a writer put
    # them, are not looked at unless one asks.
    return ParquetFile(stream, buffer_size=2**20, pre_buffer=False, page_checksum_verification=True)


def _groups(
    file: Any, label: str, text_field: str, numbers: Iterable[int], largest: int
) -> list[tuple[int, int]]:
    """See `parquet_row_groups`, of some groups."""
    _check_column(file.schema_arrow, label, text_field)
    # The schema of the file has the leaves of nested columns.
    schema = file.metadata.schema
    column = [schema.column(leaf).path for leaf in range(len(schema))].index(text_field)
    groups = []
    for number in numbers:
        group = file.metadata.row_group(number)
        size = group.column(column).total_uncompressed_size
        if size > largest:
            raise _too_large(label, f"row group {number}", size, largest, _REWRITE_PARQUET)
        groups.append((group.num_rows, size))
    return groups


def _too_large(label: str, what: str, size: int, largest: int, rewrite: str) -> DamagedError:
    return DamagedError(
        f"{label}: {what} holds {size:,} bytes of text, more than {largest:,}",
        hint=with_name(rewrite, label),
    )


def _check_column(schema: pyarrow.Schema, label: str, text_field: str) -> None:
    """Makes sure that there is one column of the name, and that it holds text.

    Raises:
      DataError: It is not so.
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


def _texts(column: pyarrow.Array) -> Iterator[bytes | None]:
    """The texts of a column as bytes, because one that is no UTF-8 would make all fail."""
    import pyarrow
    import pyarrow.types as kinds

    for begin in range(0, len(column), _ROWS):
        rows = column.slice(begin, _ROWS)
        if kinds.is_dictionary(rows.type):
            rows = rows.dictionary_decode()
        rows = rows.cast(pyarrow.large_binary())
        rows.validate(full=True)  # damaged offsets would point anywhere into memory
        yield from rows.to_pylist()


@contextmanager
def _arrow_errors(label: str, kind: str) -> Iterator[None]:
    """Turns what pyarrow raises for damaged files into our error."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError) as error:
        # A real failure of the disk has another number than seeking to where nothing can be.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        what = str(error).strip().split("\n")[0]
        raise DamagedError(f"{label}: damaged or truncated {kind} ({what})", hint=_FETCH) from error
