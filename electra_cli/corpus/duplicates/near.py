"""Near duplicates of documents by MinHash and locality-sensitive hashing: signatures and bands.

A document is left out if the signatures of it and of an earlier document that is kept agree in the
threshold's share of their numbers. Which documents are compared is decided before it is known which
are kept (`pairs.py`):

- Of a band, a stretch of a signature that several documents have in common, each document is
  compared with the first `MOST_IN_BAND` that have it, kept or not.
- Of those of all its bands it is compared with `MOST_COMPARED`, those first that share most bands.

So memory grows with the corpus by a mapped byte a document, time with the number of documents, and
every result is a function of the documents and their order alone. The price is that a near
duplicate can be missed where more than `MOST_IN_BAND` documents share every one of its bands, as
pages made from one template do: all that it was compared with may have been left out themselves, or
be less like it. What is left out is always near to one that is kept.

Signing a document takes memory for that document alone.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from electra_cli.corpus.reading.faults import Document
from electra_cli.errors import ConfigError

SHINGLE_WORDS = 5
PERMUTATIONS = 128
SIGNATURE_BYTES = 4 * PERMUTATIONS

# A document is compared with so many others at most, and with so many for each of its bands.
MOST_COMPARED = 32
MOST_IN_BAND = 16

_SEED = 1
# Hashing this many shingles at once takes 2 MB; a document of 4 MB in one go would take 400.
_HASHED_AT_ONCE = 4096
_MULTIPLIERS = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x27D4EB2F165667C5,
        0x85EBCA77C2B2AE63,
    ],
    np.uint64,
)


def require_library() -> None:
    """Makes sure that near duplicates can be found, without the cost of importing the library.

    Raises:
      ConfigError: datasketch is not installed.
    """
    if importlib.util.find_spec("datasketch") is None:
        raise ConfigError(
            "near duplicates need the package datasketch, which is not installed",
            hint="pip install '.[near-duplicates]'",
        )


class Signer:
    """Signs documents: of two signatures, the share of equal numbers estimates the Jaccard index
    of the documents' sets of five successive words, lower-cased.

    A document of fewer words is a set of one.

    Raises:
      ConfigError: datasketch is not installed.
    """

    def __init__(self) -> None:
        require_library()
        from datasketch import MinHash

        self._new = lambda: MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32", seed=_SEED)
        self._empty = self._new()

    def sign(self, document: Document) -> bytes:
        """The signature, `PERMUTATIONS` little-endian numbers of 32 bits."""
        words = " ".join(document).lower().split()
        hashes = np.fromiter((crc32(word.encode()) for word in words), np.uint64, len(words))
        shingles = np.zeros(max(len(words) - SHINGLE_WORDS + 1, 1), np.uint64)
        for offset, multiplier in enumerate(_MULTIPLIERS):
            part = hashes[offset : offset + len(shingles)]
            shingles[: len(part)] += part * multiplier
        shingles = np.unique(shingles >> np.uint64(32))
        sketch = self._empty.copy()
        for start in range(0, len(shingles), _HASHED_AT_ONCE):
            sketch.update_batch(shingles[start : start + _HASHED_AT_ONCE].tolist())
        return sketch.hashvalues.astype("<u4").tobytes()


@dataclass(frozen=True)
class Bands:
    """How signatures are cut: near duplicates very likely have a band in common.

    Attributes:
      count: Bands of a signature.
      numbers: Numbers of a signature that make a band.
    """

    count: int
    numbers: int

    @classmethod
    def of(cls, threshold: float) -> Bands:
        """The bands for a threshold.

        Raises:
          ConfigError: datasketch is not installed.
        """
        require_library()
        from datasketch import MinHashLSH

        # What is found is compared, so it had better be too much than too little.
        best = MinHashLSH(threshold, PERMUTATIONS, weights=(0.1, 0.9))
        return cls(best.b, best.r)

    def hashes(self, signatures: np.ndarray) -> np.ndarray:
        """Numbers of 64 bits that stand for the bands of signatures.

        Args:
          signatures: uint32 [n, PERMUTATIONS].

        Returns:
          uint64 [n, count]; equal bands of other places in the signature have other numbers.
        """
        used = signatures[:, : self.count * self.numbers]
        bands = used.reshape(-1, self.count, self.numbers).astype(np.uint64)  # [n, count, numbers]
        hashes = np.tile(np.arange(1, self.count + 1, dtype=np.uint64), (len(bands), 1))
        for number in range(self.numbers):
            hashes = _mixed(hashes * _MULTIPLIERS[0] + bands[:, :, number])  # [n, count]
        return hashes


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Spreads every bit of numbers over all 64."""
    for multiplier in _MULTIPLIERS[1:3]:
        numbers = (numbers ^ (numbers >> np.uint64(32))) * multiplier
    return numbers ^ (numbers >> np.uint64(32))
