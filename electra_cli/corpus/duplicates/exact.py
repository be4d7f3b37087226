"""Documents or paragraphs that equal an earlier one: divided by range of hashes, and compared.

Legend of shapes: n records at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from electra_cli.corpus.duplicates.groups import Kind, Search, Starts
from electra_cli.corpus.duplicates.hashes import HASH_BYTES, PLACED_HASH, POSITION, Held, range_of
from electra_cli.corpus.duplicates.outcome import DUPLICATE, KEPT, NEAR_DUPLICATE
from electra_cli.corpus.duplicates.parts import PartsWriter, gathered, read_part
from electra_cli.corpus.duplicates.scan import scanned_path
from electra_cli.files.atomic import AtomicFile

_READ_AT_ONCE = 2**16


def divide(
    search: Search, group: int, starts: Starts, kind: Kind, ranges: int, marked: Path | None = None
) -> None:
    """Divides the hashes of a group by range.

    Args:
      search: The search.
      group: The group.
      starts: Of its groups.
      kind: Which hashes.
      ranges: How many.
      marked: A file of a byte for each text of the group; those that are marked are left out.

    Raises:
      OSError: A file cannot be read or written.
    """
    first = int(starts.of_kind(kind)[group])
    most = search.held.range_bytes
    with PartsWriter(search.path(f"{kind}-divided", group), ranges, PLACED_HASH, most) as writer:
        position = first
        for index in search.members(group):
            for hashes in _read(scanned_path(search.folder, kind, index)):  # [n, 2]
                found = np.empty(len(hashes), PLACED_HASH)  # [n]
                found["high"], found["low"] = hashes.T
                found["position"] = np.arange(position, position + len(hashes))
                if marked is not None:
                    marks = map_marks(marked, position - first, len(hashes))
                    found = found[marks == KEPT]
                position += len(hashes)
                writer.add(range_of(found["high"], ranges), found)


def compare(search: Search, number: int, starts: Starts, kind: Kind) -> None:
    """Finds the positions of a range whose hash an earlier one has, and divides them by group.

    Args:
      search: The search.
      number: The range.
      starts: Of the groups, all of which are divided.
      kind: Which hashes.

    Raises:
      OSError: A file cannot be read or written.
    """
    most = search.held.range_bytes
    stretches = read_range(search, f"{kind}-divided", number, PLACED_HASH)
    first_ones = np.empty(0, PLACED_HASH)  # by hash
    path = search.path(f"{kind}-repeats", number)
    with PartsWriter(path, search.groups, POSITION, most) as writer:
        for hashes in gathered(stretches, most):
            found = np.concatenate([first_ones, hashes])  # equal ones by position
            found = found[np.lexsort((found["low"], found["high"]))]
            same = (found["high"][1:] == found["high"][:-1]) & (
                found["low"][1:] == found["low"][:-1]
            )
            repeats = np.concatenate([[False], same])
            positions = found["position"][repeats]
            writer.add(starts.group_of(kind, positions), positions)
            first_ones = found[~repeats]


def mark(search: Search, group: int, starts: Starts, kind: Kind, ranges: int) -> None:
    """Writes a byte for each text of a group that says whether it repeats an earlier one.

    Args:
      search: The search.
      group: The group.
      starts: Of its groups.
      kind: Documents begin unmarked, paragraphs as they were spread.
      ranges: How many, all of which are compared.

    Raises:
      OSError: A file cannot be read or written.
    """
    first, end = (int(n) for n in starts.of_kind(kind)[group : group + 2])
    most = search.held.range_bytes
    repeats = (
        positions
        for number in range(ranges)
        for positions in read_part(search.path(f"{kind}-repeats", number), group, POSITION, most)
    )
    file = AtomicFile(search.path(f"{kind}-marks", group))
    try:
        # Every byte is written, so that a full disk is noticed here and not where it is mapped.
        if kind == "paragraphs":
            for marks in read_records(search.path("spread", group), 1):
                file.stream.write(marks)
        else:
            write_blank(file.stream, end - first)
        file.stream.flush()
        for positions in gathered(repeats, most):
            _write_marks(file.stream, positions - np.uint64(first), search.held)
        file.commit()
    finally:
        file.discard()


def document_marks(search: Search, group: int, starts: Starts) -> np.ndarray:
    """The marks of the documents of a group, near duplicates among them once they are decided.

    Returns:
      uint8 [documents]; only what is changed of it takes memory of its own.
    """
    first, end = starts.documents[group : group + 2]
    marks = map_marks(search.path("documents-marks", group), 0, end - first, "c")
    if search.options.near_duplicates is not None:
        most = search.held.range_bytes
        for positions in read_part(search.path("near", 0), group, POSITION, most):
            marks[positions - np.uint64(first)] = NEAR_DUPLICATE
    return marks


def map_marks(path: Path, start: int, count: int, mode: str = "r") -> np.ndarray:
    """Bytes of a file, uint8 [count]."""
    if not count:  # which cannot be mapped
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode, start, count)  # type: ignore[call-overload]


def read_range(search: Search, what: str, number: int, record: np.dtype) -> Iterator[np.ndarray]:
    """What all groups have of a range, in the order of their positions."""
    for group in range(search.groups):
        yield from read_part(search.path(what, group), number, record, search.held.range_bytes)


def read_records(path: Path, size: int) -> Iterator[bytes]:
    """Reads a file of records of this size, many at a time."""
    with path.open("rb") as file:
        yield from iter(lambda: file.read(max(_READ_AT_ONCE // size, 1) * size), b"")


def write_blank(file: BinaryIO, size: int) -> None:
    """Writes zeros."""
    for start in range(0, size, _READ_AT_ONCE):
        file.write(bytes(min(_READ_AT_ONCE, size - start)))


def _read(path: Path) -> Iterator[np.ndarray]:
    for data in read_records(path, HASH_BYTES):
        yield np.frombuffer(data, "<u8").reshape(-1, 2)


def _write_marks(file: BinaryIO, positions: np.ndarray, held: Held) -> None:
    size = file.seek(0, 2)
    windows = positions // held.window
    for window in np.unique(windows):
        start = int(window) * held.window
        marks = np.memmap(file, np.uint8, "r+", start, min(held.window, size - start))
        marks[positions[windows == window] - np.uint64(start)] = DUPLICATE
