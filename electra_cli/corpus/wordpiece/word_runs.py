"""Files of words and counts that can be added up range by range, in bounded memory.

A file is any number of runs. A run holds words once each, in the order of their hashes: how many
they are, how many bytes of text, the first and the last hash; then all hashes, where each word ends
in the text, the counts, and the text, a line each. A mark with the version of all that ends the
file. All numbers are little-endian.

Shapes: N words of a run, M of them within a range, P of them of the hash of another; T pairs of
neighbours of one hash.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zlib import crc32

import numpy as np

from electra_cli.corpus.wordpiece.word_counts import Words
from electra_cli.errors import TryAgainError

HASHES = 2**32  # how many there are
_HEADER = struct.Struct("<QQII")
_ENTRY_BYTES = 4 + 4 + 8
_VERSION = 1
_END = _HEADER.pack(0, _VERSION, 0, 0)  # as of a run without words


def write_run(stream: IO[bytes], words: Words) -> None:
    """Writes words that differ; their order does not matter."""
    texts, counts = [word.encode("utf-8") for word in words[0]], words[1]
    if not texts:
        return
    hashes = np.fromiter(map(crc32, texts), np.uint32, len(texts))  # [N]
    order = np.argsort(hashes)  # [N]
    hashes = hashes[order]  # [N]
    # Of words with one hash the order must not be chance either.
    (tied,) = np.nonzero(hashes[1:] == hashes[:-1])  # [T]
    places = np.union1d(tied, tied + 1)  # [P]
    order[places] = sorted(order[places], key=lambda number: (crc32(texts[number]), texts[number]))
    lines = [texts[number] + b"\n" for number in order.tolist()]
    ends = np.fromiter(map(len, lines), np.int64, len(lines)).cumsum()  # [N]
    stream.write(_HEADER.pack(len(lines), ends[-1], hashes[0], hashes[-1]))
    stream.write(hashes.astype("<u4").tobytes())
    stream.write(ends.astype("<u4").tobytes())
    stream.write(counts[order].astype("<u8").tobytes())
    stream.write(b"".join(lines))


def end_runs(stream: IO[bytes]) -> None:
    """Ends a file, which is not believed to be whole without it."""
    stream.write(_END)


def read_runs(path: Path, start: int = 0, stop: int = HASHES) -> Iterator[Words]:
    """The words of each run whose hashes are `start` to below `stop`, if there are any.

    Raises:
      TryAgainError: The file is cut off, or of another version.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        while (header := file.read(_HEADER.size)) != _END:
            # One that is cut off claims more than there is.
            count, text_bytes, first, last = _HEADER.unpack(header.ljust(_HEADER.size, b"\xff"))
            begin = file.tell()
            texts = begin + _ENTRY_BYTES * count
            if texts + text_bytes > size:
                raise TryAgainError(
                    f"{path} is damaged, or was written by another version of electra",
                    hint=f"rm {path}, then run the same command again, with --stage vocabulary "
                    "where stages are run one by one",
                )
            if start <= last and first < stop:
                low, high = 0, count
                if first < start or stop <= last:
                    hashes = np.memmap(file, "<u4", "r", begin, count)  # [N]
                    low = int(np.searchsorted(hashes, np.uint32(start)))
                    high = int(np.searchsorted(hashes, np.uint32(stop - 1), side="right"))
                if low < high:
                    yield _read(file, begin, count, low, high)
            file.seek(texts + text_bytes)


def is_whole(path: Path) -> bool:
    """Whether a file is of this version, and not cut off."""
    try:
        return not any(read_runs(path, 0, 0))
    except TryAgainError:
        return False


def _read(file: IO[bytes], begin: int, count: int, low: int, high: int) -> Words:
    """Some words of a run whose hashes begin at a byte of the file."""

    def numbers(column: int, dtype: str, first: int) -> np.ndarray:
        file.seek(begin + column * count + np.dtype(dtype).itemsize * first)
        size = np.dtype(dtype).itemsize * (high - first)
        return np.frombuffer(file.read(size), dtype).astype(np.int64)

    ends = numbers(4, "<u4", max(low - 1, 0))
    counts = numbers(8, "<u8", low)  # [M]
    text_begin = int(ends[0]) if low else 0
    file.seek(begin + _ENTRY_BYTES * count + text_begin)
    text = file.read(int(ends[-1]) - text_begin).decode("utf-8")
    return text[:-1].split("\n"), counts
