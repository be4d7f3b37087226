"""Files of records that are divided into parts, so that any part is read without the others.

Many processes write such files and many read them: each writes one file with a part for every
reader, and each reader reads its part of all files. A file is an index, `<u8` [parts + 1] of the
bytes at which parts begin and the last one ends, and then the records, part by part; those of a
part are in the order in which they were added.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from electra_cli.files.atomic import AtomicFile

_INDEX = np.dtype("<u8")


class PartsWriter:
    """Writes a file of parts; use it as a context, the file is there when the context is left.

    Args:
      path: The file to be.
      parts: How many.
      record: Of what.
      most_bytes: Records that are held in memory; beyond, they are kept on disk in sorted runs.

    Raises:
      OSError: A file cannot be written.
    """

    def __init__(self, path: Path, parts: int, record: np.dtype, most_bytes: int) -> None:
        self._parts, self._record = parts, record
        self._number = np.uint16 if parts <= 2**16 else np.uint32
        self._most_bytes = most_bytes
        self._added: list[tuple[np.ndarray, np.ndarray]] = []
        self._size = 0
        self._runs: list[np.ndarray] = []  # records of each part, uint32 [parts] each
        self._scratch: BinaryIO | None = None
        self._file = AtomicFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self._write()
                self._file.commit()
        finally:
            self._file.discard()
            if self._scratch is not None:
                self._scratch.close()

    def add(self, parts: np.ndarray, records: np.ndarray) -> None:
        """Adds records, [n], to the parts that are numbered in the other array, [n]."""
        self._added.append((parts.astype(self._number), records))
        self._size += records.nbytes
        if self._size >= self._most_bytes:
            if self._scratch is None:
                folder = Path(self._file.stream.name).parent
                self._scratch = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            records, lengths = self._sorted()
            _write_array(self._scratch, records)
            self._runs.append(lengths.astype(np.uint32))

    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """What was added, by part and else in its order, and the records of each part, [parts]."""
        parts = np.concatenate([np.empty(0, self._number), *(parts for parts, _ in self._added)])
        records = np.concatenate([np.empty(0, self._record), *(r for _, r in self._added)])
        self._added.clear()
        self._size = 0
        return (
            records[np.argsort(parts, kind="stable")],
            np.bincount(parts, minlength=self._parts),
        )

    def _write(self) -> None:
        records, lengths = self._sorted()
        runs = np.array([*self._runs, lengths], np.int64)  # [runs, parts]
        before = np.concatenate([[0], np.cumsum(runs.sum(0))])  # records, [parts + 1]
        ends = (self._parts + 1) * _INDEX.itemsize + before * self._record.itemsize
        _write_array(self._file.stream, ends.astype(_INDEX))
        if self._scratch is None:
            _write_array(self._file.stream, records)
            return
        _write_array(self._scratch, records)
        self._scratch.flush()
        sizes = runs * self._record.itemsize
        places = np.cumsum([0, *sizes.sum(1)[:-1]])  # where each run goes on, [runs]
        for of_part in sizes.T:  # [runs]
            for run in np.flatnonzero(of_part):
                stretch = int(places[run]), int(of_part[run])
                for data in _stretch(self._scratch, *stretch, self._most_bytes):
                    self._file.stream.write(data)
            places += of_part


def read_part(path: Path, part: int, record: np.dtype, most_bytes: int) -> Iterator[np.ndarray]:
    """Reads the records of a part, so many at a time.

    Raises:
      OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        index = os.pread(file.fileno(), 2 * _INDEX.itemsize, part * _INDEX.itemsize)
        start, end = (int(n) for n in np.frombuffer(index, _INDEX))
        most = max(most_bytes // record.itemsize, 1) * record.itemsize
        for data in _stretch(file, start, end - start, most):
            yield np.frombuffer(data, record)


def gathered(arrays: Iterable[np.ndarray], most_bytes: int) -> Iterator[np.ndarray]:
    """Puts arrays together as long as they are no larger than this, in their order."""
    held: list[np.ndarray] = []
    size = 0
    for array in arrays:
        if held and size + array.nbytes > most_bytes:
            together = np.concatenate(held)
            held, size = [], 0  # else memory would hold both
            yield together
        held.append(array)
        size += array.nbytes
    if held:
        yield np.concatenate(held)


def _stretch(file: BinaryIO, start: int, size: int, most: int) -> Iterator[bytes]:
    for begin in range(start, start + size, most):
        data = os.pread(file.fileno(), min(most, start + size - begin), begin)
        yield data


def _write_array(file: BinaryIO, array: np.ndarray) -> None:
    file.write(array.view(np.uint8).data)  # the bytes, without a copy
