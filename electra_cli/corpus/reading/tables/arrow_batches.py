"""Text out of the record batches of Arrow files and streams, a few rows at a time.

A batch can hold a whole corpus, compressed or not, and its library decodes it whole. A column of
plain text is therefore read here, by the layout of
https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc:
messages of metadata, a FlatBuffer, and a body, which holds the buffers of all columns.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow

FILE_MAGIC = b"ARROW1\0\0"

# Message.header_type and the codecs of BodyCompression.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_CODECS = {0: "lz4", 1: "zstd"}
_MOST_METADATA = 64 * 2**20

_ROWS = 1024
_BYTES = 4 * 2**20
_SKIPPED_AT_ONCE = 2**16

# A text, null, or the bytes of a text that is too long to be held.
Cell = bytes | None | int


class LayoutError(ValueError):
    """A message or a buffer that is damaged or cut off."""


@dataclass(frozen=True)
class Batch:
    """A record batch or dictionary in the file.

    Attributes:
      is_dictionary: Whether it is one.
      rows: How many.
      body: First byte of its body in the file.
      body_bytes: Size of the body.
      nodes: Rows and nulls of each column and, behind it, of each within it.
      buffers: Offset in the body and size of each buffer.
      codec: How buffers are compressed, or None.
    """

    is_dictionary: bool
    rows: int
    body: int
    body_bytes: int
    nodes: list[tuple[int, int]]
    buffers: list[tuple[int, int]]
    codec: str | None

    def decoded_bytes(self, stream: BinaryIO) -> int:
        """What holding all of it takes, the body as it is in the file included."""
        total = self.body_bytes
        if self.codec:
            for offset, size in self.buffers:
                if size >= 8:
                    stream.seek(self.body + offset)
                    total += max(_number(_exactly(stream, 8), 0, "<q"), 0)
        return total


def read_batches(stream: BinaryIO) -> Iterator[Batch]:
    """All batches and dictionaries in order; the stream may be moved between them.

    Args:
      stream: At the beginning of the file or stream; can seek.

    Raises:
      LayoutError: A message is damaged or cut off.
    """
    position = stream.tell()
    end = stream.seek(0, io.SEEK_END)
    stream.seek(position)
    if stream.read(len(FILE_MAGIC)) == FILE_MAGIC:
        position += len(FILE_MAGIC)
    while True:
        stream.seek(position)
        head = stream.read(4)
        if head == b"\xff\xff\xff\xff":  # files older than Arrow 0.15 do not have this
            head = stream.read(4)
        if not head:
            return
        size = _number(head, 0, "<i")
        if not size:
            return
        if not 0 < size <= _MOST_METADATA:
            raise LayoutError(f"a message of {size} bytes")
        table = _Table.root(_exactly(stream, size))
        body = stream.tell()
        body_bytes = table.number(3, "<q")
        if not 0 <= body_bytes <= end - body:  # else the library would ask for as much memory
            raise LayoutError(f"a body of {body_bytes} bytes in a file of {end}")
        kind = table.number(1, "<B")
        if kind in (_DICTIONARY_BATCH, _RECORD_BATCH):
            yield _batch(table.table(2), body, body_bytes, is_dictionary=kind == _DICTIONARY_BATCH)
        position = body + body_bytes


def _batch(table: _Table | None, body: int, body_bytes: int, *, is_dictionary: bool) -> Batch:
    if table and is_dictionary:
        table = table.table(1)
    if table is None:
        raise LayoutError("a message without a batch")
    compression = table.table(3)
    codec = compression and compression.number(0, "<b")
    if codec is not None and codec not in _CODECS:
        raise LayoutError(f"a batch of the unknown compression {codec}")
    return Batch(
        is_dictionary=is_dictionary,
        rows=table.number(0, "<q"),
        body=body,
        body_bytes=body_bytes,
        nodes=table.pairs(1),
        buffers=table.pairs(2),
        codec=None if codec is None else _CODECS[codec],
    )


def column_place(schema: pyarrow.Schema, name: str) -> tuple[int, int] | None:
    """The places of a column's node and first buffer in a batch; None if only the library can tell.

    That is so behind columns of which metadata or library omit a buffer, or add some.
    """
    import pyarrow

    node = buffer = 0
    for field in schema:
        if field.name == name:
            return node, buffer
        if not _is_regular(field.type):
            return None
        node += _nodes(field.type)
        buffer += len(pyarrow.nulls(0, field.type).buffers())
    return None


def _nodes(type_: pyarrow.DataType) -> int:
    type_ = getattr(type_, "storage_type", type_)
    return 1 + sum(_nodes(type_.field(number).type) for number in range(type_.num_fields))


def _is_regular(type_: pyarrow.DataType) -> bool:
    import pyarrow.types as kinds

    type_ = getattr(type_, "storage_type", type_)
    is_irregular = (
        kinds.is_null(type_)
        or kinds.is_union(type_)
        or kinds.is_run_end_encoded(type_)
        or kinds.is_string_view(type_)
        or kinds.is_binary_view(type_)
    )
    children = (type_.field(number).type for number in range(type_.num_fields))
    return not is_irregular and all(map(_is_regular, children))


def text_cells(
    stream: BinaryIO, batch: Batch, place: tuple[int, int], *, wide: bool, longest: int
) -> Iterator[Cell]:
    """The cells of a column of text.

    Args:
      stream: Can seek.
      batch: Holds the column.
      place: Which of its nodes is the column's, and which of its buffers the column's first one.
      wide: Whether offsets are of 64 bits.
      longest: Bytes of a text that is still held.

    Raises:
      LayoutError: A buffer is damaged or cut off, or the numbers of rows or nulls disagree.
    """
    node, first_buffer = place
    rows, nulls = batch.nodes[node]
    if rows != batch.rows or rows < 0:
        raise LayoutError(f"a column of {rows} rows in a batch of {batch.rows}")
    if not rows:
        return
    validity, offsets, texts = (
        _Buffer(stream, batch, number) for number in range(first_buffer, first_buffer + 3)
    )
    dtype = np.dtype("<i8" if wide else "<i4")
    begin = _offsets(offsets, 1, dtype)
    texts.skip(int(begin[0]))
    found_nulls = 0
    for first in range(0, batch.rows, _ROWS):
        count = min(_ROWS, batch.rows - first)
        ends = _offsets(offsets, count, dtype)
        bounds = np.concatenate([begin, ends])
        if (np.diff(bounds) < 0).any():
            raise LayoutError("offsets that go backwards")
        present = np.ones(count, bool)
        if validity.size:
            bits = np.frombuffer(validity.read(-(-count // 8)), np.uint8)
            present = np.unpackbits(bits, count=count, bitorder="little").astype(bool)
        found_nulls += count - int(present.sum())
        yield from _cells(texts, bounds.tolist(), present.tolist(), longest)
        begin = ends[-1:]
    if found_nulls != nulls:
        raise LayoutError(f"{found_nulls} nulls where there should be {nulls}")


def _cells(texts: _Buffer, bounds: list[int], present: list[bool], longest: int) -> Iterator[Cell]:
    row = 0
    while row < len(present):
        begin, following = bounds[row], row + 1
        if bounds[following] - begin > longest:
            texts.skip(bounds[following] - begin)
            yield bounds[following] - begin if present[row] else None
        else:
            while following < len(present) and bounds[following + 1] - begin <= _BYTES:
                following += 1
            text = texts.read(bounds[following] - begin)
            if len(text) <= longest and all(present):  # as a rule; this is faster
                ends = [bound - begin for bound in bounds[row : following + 1]]
                yield from [text[start:end] for start, end in pairwise(ends)]
                row = following
                continue
            for number in range(row, following):
                cell = text[bounds[number] - begin : bounds[number + 1] - begin]
                yield held(cell, longest) if present[number] else None
        row = following


def held(text: bytes, longest: int) -> Cell:
    """The text as a cell."""
    return text if len(text) <= longest else len(text)


def _offsets(buffer: _Buffer, count: int, dtype: np.dtype[Any]) -> npt.NDArray[np.int64]:
    offsets = np.frombuffer(buffer.read(count * dtype.itemsize), dtype).astype(np.int64)
    if offsets[0] < 0:
        raise LayoutError("a negative offset")
    return offsets


class _Buffer:
    """A buffer of a batch, read from its beginning to its end and decompressed.

    Attributes:
      size: Bytes in the file.
    """

    def __init__(self, stream: BinaryIO, batch: Batch, number: int) -> None:
        offset, self.size = batch.buffers[number]
        if offset < 0 or self.size < 0 or offset + self.size > batch.body_bytes:
            raise LayoutError("a buffer outside of its batch")
        window = _Window(stream, batch.body + offset, self.size)
        self._source: Any = window
        # A buffer that did not shrink is stored as it is, behind a size of -1.
        if batch.codec and self.size and _number(_exactly(window, 8), 0, "<q") != -1:
            import pyarrow

            self._source = pyarrow.CompressedInputStream(window, batch.codec)

    def read(self, size: int) -> bytes:
        return _exactly(self._source, size)

    def skip(self, size: int) -> None:
        while size:
            step = min(size, _SKIPPED_AT_ONCE)
            self.read(step)
            size -= step


class _Window(io.RawIOBase):
    """A part of a stream that others move."""

    def __init__(self, stream: BinaryIO, begin: int, size: int) -> None:
        self._stream = stream
        self._position = begin
        self._end = begin + size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position
        self._stream.seek(self._position)
        data = self._stream.read(left if size < 0 else min(size, left))
        self._position += len(data)
        return data


def _exactly(source: Any, size: int) -> bytes:
    data: bytes = source.read(size)
    if len(data) < size:
        raise LayoutError("it ends too early")
    return data


class _Table:
    """A table of a FlatBuffer; fields are counted from 0, and what is not there is 0 or None."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self._position = position
        self._fields = position - _number(content, position, "<i")

    @classmethod
    def root(cls, content: bytes) -> _Table:
        return cls(content, _number(content, 0, "<I"))

    def _place(self, field: int) -> int | None:
        if 4 + 2 * field >= _number(self._content, self._fields, "<H"):
            return None
        offset = _number(self._content, self._fields + 4 + 2 * field, "<H")
        return self._position + offset if offset else None

    def number(self, field: int, kind: str) -> int:
        place = self._place(field)
        return 0 if place is None else _number(self._content, place, kind)

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        if place is None:
            return None
        return _Table(self._content, place + _number(self._content, place, "<I"))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structures of two integers of 64 bits."""
        place = self._place(field)
        if place is None:
            return []
        place += _number(self._content, place, "<I")
        count = _number(self._content, place, "<I")
        content = self._content[place + 4 : place + 4 + 16 * count]
        if len(content) < 16 * count:
            raise LayoutError("a vector that is cut off")
        return cast("list[tuple[int, int]]", list(struct.iter_unpack("<qq", content)))


def _number(content: bytes, position: int, kind: str) -> int:
    if position < 0:
        raise LayoutError("a table outside of its message")
    try:
        return int(struct.unpack_from(kind, content, position)[0])
    except struct.error as error:
        raise LayoutError("a message that is cut off") from error
