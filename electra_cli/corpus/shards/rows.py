"""Shards: plain .npy files of fixed-length rows, and what follows from a row alone.

A row of a shard is L ids and behind them W integers of the same type whose bits say where words
begin: bit j % bits of the integer L + j // bits, counted from the lowest, belongs to position j.
A continuation `##x` belongs to the word before it; special tokens and padding begin no word. Of
tokenizers whose pieces do not tell, the bit belongs to the token in its place, and is found while
the text is encoded.

Shapes: N rows, L ids a row, W = ⌈L / bits⌉ integers of word starts.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.vocabulary import BEGINS_WORD
from electra_cli.files.atomic import AtomicFile
from electra_cli.files.record import Record

Split = Literal["train", "validation"]
DType = Literal["uint16", "uint32"]


class Shard(Record):
    """A shard file as the manifest lists it.

    Attributes:
      file: Name inside the prepared folder.
      split: What its rows are for.
      rows: Number of examples.
      bytes: Size of the file.
      sha256: Hash of the file.
    """

    file: str
    split: Split
    rows: int
    bytes: int
    sha256: str


def ids_dtype(vocab_size: int) -> DType:
    """The smallest type that holds every id."""
    return "uint16" if vocab_size <= 2**16 else "uint32"


def row_width(sequence_length: int, dtype: npt.DTypeLike) -> int:
    """Integers of this type a row, L + W."""
    bits = 8 * np.dtype(dtype).itemsize
    return sequence_length + -(-sequence_length // bits)


def ids_of(rows: npt.NDArray[Any], sequence_length: int) -> npt.NDArray[Any]:
    """The ids of rows [..., L + W] as a view, [..., L]."""
    return rows[..., :sequence_length]


def word_starts_of(rows: npt.NDArray[Any], sequence_length: int) -> npt.NDArray[np.bool_]:
    """Where words begin in rows [..., L + W]; [..., L]."""
    packed = np.ascontiguousarray(rows[..., sequence_length:])  # [..., W]
    little = packed.astype(packed.dtype.newbyteorder("<"), copy=False)
    octets = little.view(np.uint8)  # [..., W * bytes of an integer]
    bits = np.unpackbits(octets, axis=-1, count=sequence_length, bitorder="little")  # [..., L]
    return bits.astype(np.bool_)


def with_word_starts(ids: npt.NDArray[Any], word_starts: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Whole rows out of ids.

    Args:
      ids: [N, L]
      word_starts: Where words begin, [N, L].

    Returns:
      [N, L + W], of the type of the ids.
    """
    length = ids.shape[1]
    octets = np.packbits(word_starts, axis=1, bitorder="little")  # [N, ⌈L / 8⌉]
    rows = np.zeros((len(ids), row_width(length, ids.dtype)), ids.dtype)
    rows[:, :length] = ids
    padded = np.zeros((len(ids), (rows.shape[1] - length) * ids.itemsize), np.uint8)
    padded[:, : octets.shape[1]] = octets
    rows[:, length:] = padded.view(ids.dtype.newbyteorder("<"))  # [N, W]
    return rows


class ShardWriter:
    """Collects the examples of one shard, padded, and writes them as they come.

    Use it as a context: without `finish` nothing is left of the file.

    Args:
      path: The file to be.
      split: What its rows are for.
      sequence_length: L.
      dtype: Type of an id.
      begins_word: For each token of the vocabulary, whether a word begins with it; [V]. None where
        it depends on the place: examples have 32 bits to an id then, raised by `BEGINS_WORD`.
      pad_id: Id of [PAD].
      buffered_bytes: What is collected before it is written: a row may hold a single word, so that
        the rows of a slice can be many times as large as its text.
    """

    def __init__(
        self,
        path: Path,
        split: Split,
        *,
        sequence_length: int,
        dtype: DType,
        begins_word: npt.NDArray[np.bool_] | None,
        pad_id: int = 0,
        buffered_bytes: int = 2 * 2**20,
    ) -> None:
        self._path = path
        self._split = split
        self._length = sequence_length
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._width = row_width(sequence_length, dtype)
        self._begins_word = begins_word
        # The type of what is appended.
        self._unit = self._dtype if begins_word is not None else np.dtype("<u4")
        self._pad = np.array(pad_id, self._unit).tobytes()
        self._buffered_bytes = buffered_bytes
        self._ids = bytearray()
        self._file: AtomicFile | None = None
        self._rows = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.discard()

    def append(self, example: bytes) -> int:
        """Adds the little-endian ids of one example, at most L, and returns the padding needed."""
        padding = self._length - len(example) // self._unit.itemsize
        self._ids += example
        self._ids += self._pad * padding
        if len(self._ids) >= self._buffered_bytes:
            self._flush()
        return padding

    def finish(self) -> Shard | None:
        """Completes the file, or removes a former one if there are no rows.

        Returns:
          The shard, or None without rows.

        Raises:
          OSError: It cannot be written.
        """
        self._flush()
        if self._file is None:
            self._path.unlink(missing_ok=True)  # of an earlier division into splits
            return None
        self._file.stream.seek(0)
        self._write_header(self._file)
        self._file.stream.seek(0)
        digest = hashlib.file_digest(self._file.stream, "sha256").hexdigest()
        size = self._file.stream.tell()
        self._file.commit()
        return Shard(
            file=self._path.name, split=self._split, rows=self._rows, bytes=size, sha256=digest
        )

    def _flush(self) -> None:
        if not self._ids:
            return
        if self._file is None:
            self._file = AtomicFile(self._path)
            self._write_header(self._file)
        ids = np.frombuffer(self._ids, self._unit).reshape(-1, self._length)  # [N, L]
        if self._begins_word is not None:
            word_starts = self._begins_word[ids]  # [N, L]
        else:
            word_starts = ids >= BEGINS_WORD  # [N, L]
            ids = (ids % BEGINS_WORD).astype(self._dtype)  # [N, L]
        self._file.stream.write(with_word_starts(ids, word_starts).data)  # [N, L + W]
        self._rows += len(ids)
        self._ids = bytearray()

    def _write_header(self, file: AtomicFile) -> None:
        """Writes numpy's header, which leaves room for the number of rows to grow."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, self._width),
        }
        np.lib.format.write_array_header_1_0(file.stream, header)


def load_shard(path: Path) -> np.memmap[Any, Any]:
    """Maps a shard into memory, [N, L + W]; rows are read from disk when they are used.

    Raises:
      ValueError: It is no .npy file, or a damaged one.
      OSError: It cannot be read.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except TokenError as error:  # what numpy lets through for an unclosed bracket in the header
        raise ValueError(f"cannot parse header: {error.args[0]}") from error


def input_mask(ids: npt.NDArray[Any], pad_id: int = 0) -> npt.NDArray[np.int32]:
    """1 where there is a token, 0 on padding.

    Args:
      ids: [..., L]
      pad_id: Id of [PAD].

    Returns:
      [..., L]
    """
    return (ids != pad_id).astype(np.int32)


def segment_ids(ids: npt.NDArray[Any], sep_id: int, pad_id: int = 0) -> npt.NDArray[np.int32]:
    """0 up to and including the first [SEP], 1 behind it, 0 on padding.

    Args:
      ids: [..., L]
      sep_id: Id of [SEP], which text never has: a literal `[SEP]` is ordinary characters.
      pad_id: Id of [PAD].

    Returns:
      [..., L]
    """
    is_sep = (ids == sep_id).astype(np.int32)
    separators_before = np.cumsum(is_sep, axis=-1, dtype=np.int32) - is_sep  # [..., L]
    return np.minimum(separators_before, 1) * input_mask(ids, pad_id)
