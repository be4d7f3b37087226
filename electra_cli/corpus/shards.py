"""Shards: plain .npy files of fixed-length rows of ids, and what follows from the ids alone."""

from __future__ import annotations

import hashlib
import io
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from electra_cli.corpus.atomic import atomic_write_bytes

Split = Literal["train", "validation"]
DType = Literal["uint16", "uint32"]

_TYPE_CODES = {"uint16": "H", "uint32": "I"}


class Shard(BaseModel):
    """A shard file as the manifest lists it.

    Attributes:
      file: Name inside the prepared folder.
      split: What its rows are for.
      rows: Number of examples.
      bytes: Size of the file.
      sha256: Hash of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    split: Split
    rows: int
    bytes: int
    sha256: str


def ids_dtype(vocab_size: int) -> DType:
    """The smallest type that holds every id."""
    return "uint16" if vocab_size <= 2**16 else "uint32"


class Rows:
    """Examples of one shard, collected and padded with 0.

    Args:
      sequence_length: Ids a row, L.
      dtype: Type of an id.
    """

    def __init__(self, sequence_length: int, dtype: DType) -> None:
        self._length = sequence_length
        self._dtype = dtype
        self._ids = array(_TYPE_CODES[dtype])

    def __len__(self) -> int:
        return len(self._ids) // self._length

    def append(self, example: Sequence[int]) -> int:
        """Adds one example of at most L ids and returns the padding it needed."""
        padding = self._length - len(example)
        self._ids.extend(example)
        self._ids.extend([0] * padding)
        return padding

    def write(self, folder: Path, file: str, split: Split) -> Shard:
        """Writes the rows as `numpy.load(..., mmap_mode="r")` reads them, [rows, L]."""
        ids = np.frombuffer(self._ids, dtype=self._dtype).reshape(-1, self._length)
        if sys.byteorder == "big":
            ids = ids.astype(ids.dtype.newbyteorder("<"))
        buffer = io.BytesIO()
        np.save(buffer, ids, allow_pickle=False)
        data = buffer.getvalue()
        atomic_write_bytes(folder / file, data)
        return Shard(
            file=file,
            split=split,
            rows=len(self),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )


def load_shard(path: Path) -> npt.NDArray[Any]:
    """Maps a shard into memory, [rows, L]; rows are read from disk when they are used.

    Raises:
      ValueError: It is no .npy file, or a damaged one.
      OSError: It cannot be read.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except TokenError as error:  # what numpy lets through for an unclosed bracket in the header
        raise ValueError(f"cannot parse header: {error.args[0]}") from error


def input_mask(ids: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """1 where there is a token, 0 on padding.

    Args:
      ids: [..., L]

    Returns:
      [..., L]
    """
    return (ids != 0).astype(np.int32)


def segment_ids(ids: npt.NDArray[Any], sep_id: int) -> npt.NDArray[np.int32]:
    """0 up to and including the first [SEP], 1 up to the end of the second segment, 0 on padding.

    Args:
      ids: [..., L]
      sep_id: Id of [SEP], which text never has: a literal `[SEP]` is ordinary characters.

    Returns:
      [..., L]
    """
    is_sep = (ids == sep_id).astype(np.int32)
    separators_before = np.cumsum(is_sep, axis=-1, dtype=np.int32) - is_sep  # [..., L]
    return np.minimum(separators_before, 1) * input_mask(ids)
