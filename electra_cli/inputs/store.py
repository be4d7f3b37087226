"""Rows of prepared shards by their number.

Shapes: B rows of a batch, S sequence, S + W integers a row of a shard.
"""

from __future__ import annotations

import os
import re
import resource
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.shards.rows import Split, ids_of, load_shard, word_starts_of
from electra_cli.errors import DataError, IOFailedError


class RowStore:
    """Random access to the rows of one split; nothing but the rows asked for is read.

    Files are read, not mapped into memory: the system ends a process whose mapped file is cut or
    cannot be read any more.

    Args:
      paths: Shard files, `.npy` arrays of shape [rows, S + W] (corpus/shards/rows.py).
      sequence_length: S.
      pad_id: Id of [PAD], which fills an empty row.

    Raises:
      DataError: A file is no array of numbers.
      OSError: It cannot be opened.
    """

    def __init__(self, paths: list[Path], sequence_length: int, pad_id: int = 0) -> None:
        self.sequence_length, self._pad_id = sequence_length, pad_id
        handles: list[int] = []
        weakref.finalize(self, _close, handles)
        _allow_open_files()
        self._shards = []
        for path in paths:
            self._shards.append(_open_shard(path))
            handles.append(self._shards[-1].handle)
        self._ends = np.cumsum([shard.rows for shard in self._shards])
        self._starts = self._ends - [shard.rows for shard in self._shards]

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def gather(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Returns the ids of rows; an index of -1 gives an empty one.

        Args:
          indices: [B] int64.

        Returns:
          [B, S] int32.

        Raises:
          LostShardError: A row cannot be read.
        """
        return ids_of(self._rows(indices), self.sequence_length).astype(np.int32)

    def gather_words(
        self, indices: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Returns what `gather` does, and where words begin, [B, S]."""
        rows = self._rows(indices)  # [B, S + W]
        ids = ids_of(rows, self.sequence_length).astype(np.int32)  # [B, S]
        return ids, word_starts_of(rows, self.sequence_length)

    def _rows(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        shards = np.searchsorted(self._ends, indices, side="right")  # [B]
        places = indices - self._starts[shards]  # [B]
        first = self._shards[0]
        rows = np.zeros((len(indices), first.width), first.dtype)  # [B, S + W]
        rows[:, : self.sequence_length] = self._pad_id
        octets, size = rows.data.cast("B"), first.row_bytes
        for at, (shard, place) in enumerate(zip(shards.tolist(), places.tolist(), strict=True)):
            if place >= 0:
                self._shards[shard].read_row(place, octets[at * size : (at + 1) * size])
        return rows


def store_of(manifest: Manifest, split: Split) -> RowStore:
    """The rows of a split of prepared data; see `RowStore`."""
    return RowStore(manifest.paths_of(split), manifest.sequence_length, manifest.special_ids.pad)


class LostShardError(IOFailedError):
    """A shard that was whole when it was opened, and cannot be read any more."""


@contextmanager
def lost_shards_named(when: Callable[[], str]) -> Iterator[None]:
    """Turns what TensorFlow makes of a `LostShardError` into an error of ours.

    Args:
      when: Returns in words what was being done.

    Raises:
      IOFailedError: A shard cannot be read any more.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(rf"{LostShardError.__name__}: (.*)", error.message or "")
        if not found:
            raise
        raise IOFailedError(
            f"{found[1]} ({when()})",
            hint="put the file back as it was and run the same command again",
        ) from error


@dataclass(frozen=True)
class _OpenShard:
    """A file of rows; numbers past its header are read without a position of the file."""

    path: Path
    handle: int
    rows: int
    width: int
    dtype: np.dtype[Any]
    begin: int

    @property
    def row_bytes(self) -> int:
        return self.width * self.dtype.itemsize

    def read_row(self, row: int, into: memoryview) -> None:
        try:
            read = os.preadv(self.handle, [into], self.begin + row * len(into))
        except OSError as error:
            raise LostShardError(f"cannot read {self.path}: {error.strerror}") from error
        if read != len(into):
            raise LostShardError(f"{self.path} was cut: it ends before row {row + 1:,}")


def _open_shard(path: Path) -> _OpenShard:
    try:
        mapped, handle = load_shard(path), os.open(path, os.O_RDONLY)
    except ValueError as error:
        raise DataError(
            f"{path} is no shard: {error}", hint=f"electra debug data {path.parent} --verify"
        ) from error
    rows, width = mapped.shape
    return _OpenShard(path, handle, rows, width, mapped.dtype, mapped.offset)


def _close(handles: list[int]) -> None:
    for handle in handles:
        os.close(handle)


def _allow_open_files() -> None:
    """Raises the limit, which is low at first for the sake of `select`, to the highest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
