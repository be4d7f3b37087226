"""The pages of a Parquet column, looked at before its library decodes any of them.

A page is decompressed as a whole, and a value that a page holds once can stand in any number of
rows, so neither the size of the file nor its metadata tell how much memory reading takes. The
headers of the pages do. They are Thrift in its compact protocol; see PageHeader in
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

# PageHeader: numbers of its fields, and of those of the header of each kind of page.
_KIND, _UNCOMPRESSED, _COMPRESSED, _DATA, _DICTIONARY, _DATA_V2 = 1, 2, 3, 5, 7, 8
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4
_DICTIONARY_KIND = 2
# Encodings in which many rows can share the bytes of a page.
_PLAIN_DICTIONARY, _DELTA_BYTE_ARRAY, _RLE_DICTIONARY = 2, 7, 8

_BATCH_ROWS = 1024
_BATCH_BYTES = 8 * 2**20
# What rows that share a dictionary may decode to if all are its largest value.
_SHARED_BATCH_BYTES = 32 * 2**20


class PageError(ValueError):
    """Pages that are damaged."""


@dataclass(frozen=True)
class Page:
    """A page's header.

    Attributes:
      is_dictionary: Whether it holds values that other pages refer to.
      compressed: Bytes in the file.
      uncompressed: Bytes in memory.
      values: How many it holds.
      encoding: Number of its encoding.
    """

    is_dictionary: bool
    compressed: int
    uncompressed: int
    values: int
    encoding: int

    @property
    def bytes(self) -> int:
        """What reading it takes at least: it is held compressed and uncompressed at once."""
        return self.compressed + self.uncompressed


def read_pages(stream: BinaryIO, column: Any) -> Iterator[Page]:
    """The pages of one column in one row group.

    Args:
      stream: Can seek.
      column: pyarrow's ColumnChunkMetaData.

    Raises:
      PageError: A header is damaged.
    """
    position = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < position:
        position = column.dictionary_page_offset
    end = position + column.total_compressed_size
    left = column.num_values
    while left > 0 and position < end:
        stream.seek(position)
        header = _Thrift(stream).struct()
        try:
            is_dictionary = header[_KIND] == _DICTIONARY_KIND
            of_kind = header.get(_DATA) or header.get(_DICTIONARY) or header.get(_DATA_V2) or {}
            page = Page(
                is_dictionary=is_dictionary,
                compressed=header[_COMPRESSED],
                uncompressed=header[_UNCOMPRESSED],
                values=of_kind.get(_VALUES, 0),
                encoding=of_kind.get(_ENCODING_V2 if _DATA_V2 in header else _ENCODING, 0),
            )
        except (KeyError, AttributeError) as error:
            raise PageError(f"no page begins at byte {position}") from error
        if min(page.compressed, page.uncompressed, page.values) < 0:
            raise PageError(f"the page at byte {position} has a negative size")
        yield page
        left -= 0 if is_dictionary else page.values
        position = stream.tell() + page.compressed


def rows_at_once(pages: Iterable[Page], largest_in_dictionary: int | None = None) -> int:
    """How many rows to decode together: few if they are large, or could be.

    Args:
      pages: Of the column.
      largest_in_dictionary: Bytes of the largest value that rows can share, if that is known.
    """
    rows, dictionary = _BATCH_ROWS, 0
    for page in pages:
        size = max(page.uncompressed, 1)
        if page.is_dictionary:
            dictionary = max(largest_in_dictionary or size, 1)
        elif page.encoding in (_PLAIN_DICTIONARY, _RLE_DICTIONARY):
            rows = min(rows, _SHARED_BATCH_BYTES // max(dictionary, 1))
        elif page.encoding == _DELTA_BYTE_ARRAY:
            rows = min(rows, _BATCH_BYTES // size)
        else:
            rows = min(rows, _BATCH_BYTES * page.values // size)
    return max(rows, 1)


class _Thrift:
    """Reads one structure of Thrift's compact protocol.

    Raises:
      PageError: It is damaged or cut off.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The fields by their numbers; what is neither a number nor a structure is None."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # true, false
            return None
        if kind in (4, 5, 6):  # integers of 16, 32 and 64 bits
            return self._signed()
        if kind == 3:
            return self._byte()
        if kind == 7:
            self._stream.seek(8, 1)
            return None
        if kind == 8:
            self._stream.seek(self._unsigned(), 1)
            return None
        if kind == 12 and depth < 4:
            return self.struct(depth + 1)
        raise PageError("the header of a page holds what it cannot hold")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise PageError("the header of a page holds a number without end")

    def _byte(self) -> int:
        byte = self._stream.read(1)
        if not byte:
            raise PageError("it ends within the header of a page")
        return byte[0]
