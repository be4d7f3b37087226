"""Names and shapes of a TensorFlow checkpoint's tensors, read without TensorFlow.

They are in PREFIX.index, a sorted table (tensorflow/core/lib/io/format.cc) whose values are
messages `BundleEntryProto` (tensorflow/core/protobuf/tensor_bundle.proto). TensorFlow writes its
blocks uncompressed. What is damaged is found where weights are read, so checksums are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]

_FOOTER = 48  # bytes: where two blocks are, filled up with zeros, and the magic number
_MAGIC = bytes.fromhex("57fb808b247547db")
_WORD = 4  # bytes of a number behind a block's entries: where some of them begin, and how many
_SHAPE, _DIMENSION, _SIZE = 2, 2, 1  # fields of BundleEntryProto, TensorShapeProto and Dim
_VARINT, _BYTES = 0, 2  # how a field is written
_FIXED = {1: 8, 5: 4}  # other ways, and their bytes


def read_shapes(prefix: Path) -> Shapes:
    """Reads the table; it is empty where there is none that can be read.

    Args:
      prefix: Of the checkpoint.
    """
    try:
        table = Path(f"{prefix}.index").read_bytes()
        if not table.endswith(_MAGIC):
            return {}
        footer = table[-_FOOTER:]
        _, at = _block(table, footer)
        places, _ = _block(table, footer, at)
        return {
            name.decode(): _shape(entry)
            for _, place in _entries(places)
            for name, entry in _entries(_block(table, place)[0])
            if name  # the one without a name is the header
        }
    except (OSError, ValueError, IndexError):
        return {}


def _block(table: bytes, handle: bytes, at: int = 0) -> tuple[bytes, int]:
    """The block whose place stands at a byte of `handle`, and the first byte behind the place."""
    start, at = _varint(handle, at)
    size, at = _varint(handle, at)
    return table[start : start + size], at


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys, of which only what differs from the key before is written, and values."""
    restarts = int.from_bytes(block[-_WORD:], "little")
    end = len(block) - _WORD * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        size, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own + size
        yield key, block[at - size : at]


def _shape(entry: bytes) -> tuple[int, ...]:
    return tuple(
        int(dict(_fields(dimension)).get(_SIZE, 0))
        for field, shape in _fields(entry)
        if field == _SHAPE and isinstance(shape, bytes)
        for part, dimension in _fields(shape)
        if part == _DIMENSION and isinstance(dimension, bytes)
    )


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message; numbers of fixed width are passed over."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = tag >> 3, tag & 7
        if kind in _FIXED:
            at += _FIXED[kind]
            continue
        value, at = _varint(message, at)
        if kind == _BYTES:
            yield field, message[at : at + value]
            at += value
        elif kind == _VARINT:
            yield field, value
        else:
            raise ValueError(f"field {field} is of kind {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and the first byte behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
        at, shift = at + 1, shift + 7
