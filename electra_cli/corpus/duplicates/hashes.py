"""Hashes of documents and paragraphs: written by the scan, divided by range for a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from electra_cli.files.atomic import AtomicFile

HASH_BYTES = 16
# A hash and the place of its text among all of the corpus.
PLACED_HASH = np.dtype([("high", "<u8"), ("low", "<u8"), ("position", "<u8")])
POSITION = np.dtype("<u8")

_WRITTEN_AT_ONCE = 2**16


@dataclass(frozen=True)
class Held:
    """How much is in memory at a time; it changes nothing of what is found.

    Attributes:
      window: Bytes of marks that are mapped, since what is mapped counts as memory.
      range_bytes: Bytes of records, such as hashes, that are sorted at once; a process takes up to
        seven times as much (`search.py`).
    """

    window: int = 2**24
    range_bytes: int = 2**23

    def ranges(self, size: int) -> int:
        """In how many ranges so many bytes of hashes are compared.

        Hashes are spread evenly; half of what may be held leaves room for where they are not.
        """
        return -(-2 * size // self.range_bytes)


class HashWriter:
    """Writes the hashes of texts in order; the last are written by `flush`.

    Attributes:
      count: Texts so far.
    """

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        self._hashes = bytearray()
        self.count = 0

    def add(self, text: str) -> None:
        """Adds the text of the next position."""
        self._hashes += blake2b(text.encode("utf-8"), digest_size=HASH_BYTES).digest()
        self.count += 1
        if len(self._hashes) >= _WRITTEN_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        self._file.stream.write(self._hashes)
        self._hashes.clear()


def range_of(hashes: np.ndarray, ranges: int) -> np.ndarray:
    """In which of so many equal ranges of 64 bits a hash lies; fewer than 2^32."""
    shift = np.uint64(32)
    return ((hashes >> shift) * np.uint64(ranges) >> shift).astype(np.intp)
