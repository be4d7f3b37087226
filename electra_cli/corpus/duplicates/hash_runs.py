"""Files of 128-bit hashes, and which of them repeat, however many there are.

A file holds runs, each sorted by hash; so the hashes of any range are a stretch of each run, and
files are compared range by range in bounded memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from electra_cli.files.atomic import AtomicFile

_HASH = np.dtype([("high", "<u8"), ("low", "<u8"), ("position", "<u8")])
HASH_BYTES = _HASH.itemsize


@dataclass(frozen=True)
class Held:
    """How much is in memory at a time; it changes nothing of what is found.

    Attributes:
      run: Hashes in a run; sorting one takes 40 MB.
      window: Bytes of marks that are mapped, since what is mapped counts as memory.
      range_bytes: Bytes of hashes that are compared.
    """

    run: int = 2**19
    window: int = 2**24
    range_bytes: int = 16 * 2**20


class HashWriter:
    """Writes the hashes of texts; the last are written by `flush`.

    Attributes:
      count: Texts so far.
    """

    def __init__(self, file: AtomicFile, held: Held) -> None:
        self._file = file
        self._run = held.run
        self._hashes = bytearray()
        self.count = 0

    def add(self, text: str) -> None:
        """Adds the text of the next position."""
        self._hashes += blake2b(text.encode("utf-8"), digest_size=16).digest()
        self.count += 1
        if len(self._hashes) == 16 * self._run:
            self.flush()

    def flush(self) -> None:
        """Ends a run; all but the last have as many hashes as a run has."""
        halves = np.frombuffer(self._hashes, ">u8").reshape(-1, 2)
        run = np.empty(len(halves), _HASH)
        run["high"], run["low"] = halves.T
        run["position"] = np.arange(self.count - len(halves), self.count)
        self._file.stream.write(run[_order(run)].tobytes())
        self._hashes = bytearray()


def mark_repeats(hashes: Sequence[Path], marks: Sequence[Path], mark: int, held: Held) -> None:
    """Marks every position whose hash an earlier one has, in the order of files and positions.

    Args:
      hashes: Files of a `HashWriter`.
      marks: For each a file of a byte for each position. Positions that are marked already (not
        0) are passed over, as if they were not there.
      mark: The byte to write.
      held: As the writers had it.

    Raises:
      OSError: A file cannot be read or written.
    """
    total = sum(path.stat().st_size for path in hashes)
    ranges = -(-total // held.range_bytes)
    for number in range(ranges):
        start, end = (2**64 * n // ranges for n in (number, number + 1))
        parts, lengths = [], []
        for path, marked in zip(hashes, marks, strict=True):
            # A text that is everywhere must not fill the memory: of each run only one is kept.
            within = _within(path, start, end, held.run)
            runs = [_first_ones(run, marked, mark, held) for run in within]
            parts += runs
            lengths.append(sum(map(len, runs)))
        found = np.concatenate(parts)
        parts.clear()
        owners = np.repeat(np.arange(len(lengths)), lengths)
        order = _order(found)
        repeated = order[_repeats(found[order])]
        for owner in np.unique(owners[repeated]):
            of_owner = repeated[owners[repeated] == owner]
            write_marks(marks[owner], found["position"][of_owner], mark, held)


def write_marks(path: Path, positions: np.ndarray, mark: int, held: Held) -> None:
    """Writes a byte at each position of a file."""
    size = path.stat().st_size
    windows = positions // held.window
    for window in np.unique(windows):
        start = int(window) * held.window
        marks = np.memmap(path, np.uint8, "r+", start, min(held.window, size - start))
        marks[positions[windows == window] - start] = mark


def _within(path: Path, start: int, end: int, of_run: int) -> Iterator[np.ndarray]:
    """The stretch of each run whose hashes begin with `start` to below `end` (64 bits)."""
    count = path.stat().st_size // HASH_BYTES
    for begin in range(0, count, of_run):
        run = np.memmap(path, _HASH, "r", begin * HASH_BYTES, min(of_run, count - begin))
        first, last = (bisect_left(run, n, key=lambda h: int(h["high"])) for n in (start, end))
        yield np.array(run[first:last])


def _first_ones(run: np.ndarray, marked: Path, mark: int, held: Held) -> np.ndarray:
    """Of sorted hashes that are not marked, the first of each; the others are marked."""
    if not len(run):
        return run
    run = run[np.memmap(marked, np.uint8, "r")[run["position"]] == 0]
    repeats = _repeats(run)
    if repeats.any():
        write_marks(marked, run["position"][repeats], mark, held)
    return run[~repeats]


def _order(hashes: np.ndarray) -> np.ndarray:
    """By hash; equal ones stay in their order."""
    return np.lexsort((hashes["low"], hashes["high"]))


def _repeats(hashes: np.ndarray) -> np.ndarray:
    """Which of sorted hashes equal the one before."""
    repeats = np.zeros(len(hashes), bool)
    repeats[1:] = (hashes["high"][1:] == hashes["high"][:-1]) & (
        hashes["low"][1:] == hashes["low"][:-1]
    )
    return repeats
