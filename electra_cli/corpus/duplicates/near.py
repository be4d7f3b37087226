"""Near duplicates of documents by MinHash and locality-sensitive hashing.

Signing a document takes memory for that document alone. Finding near duplicates holds an index of
every document that is kept: 2.9 KB a document at a threshold of 0.8, 1.7 KB at 0.9 and 6.3 KB at
0.5 (measured with datasketch 2.0 and Python 3.11), so 3 GB for a million. That is the one part of
a preparation whose memory grows with the corpus.
"""

from __future__ import annotations

import importlib.util
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from zlib import crc32

import numpy as np

from electra_cli.corpus.reading.faults import Document
from electra_cli.errors import ConfigError

SHINGLE_WORDS = 5
PERMUTATIONS = 128
SIGNATURE_BYTES = 4 * PERMUTATIONS

# A document is compared with so many others at most, and so many stand for a band.
MOST_COMPARED = 32
MOST_IN_BAND = 64

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

# The place of a document: its slice, and its number there.
Place = tuple[int, int]


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


def find_near_duplicates(
    signatures: Iterable[tuple[Place, np.ndarray]],
    signature_at: Callable[[Place], np.ndarray],
    threshold: float,
) -> Iterator[Place]:
    """Yields the places of documents that nearly repeat an earlier one that is kept.

    The same signatures in the same order give the same places. A document is compared with
    `MOST_COMPARED` of those that are kept at most, so time grows with the number of documents and
    no faster, also where many have much in common, such as a template.

    Args:
      signatures: Places and signatures, uint32 [PERMUTATIONS], in order.
      signature_at: Reads a signature that has passed; so they need not be held in memory.
      threshold: Jaccard index, as the signatures estimate it, from which on a document is a near
        duplicate.

    Raises:
      ConfigError: datasketch is not installed.
    """
    index = _Index(threshold)
    for place, signature in signatures:
        bands = index.bands(signature)
        if any(
            np.mean(signature == signature_at(other)) >= threshold
            for other in index.candidates(bands)
        ):
            yield place
        else:
            index.add(place, bands)


class _Index:
    """Documents by the bands of their signatures; near duplicates very likely share one.

    A band holds the first documents that have it. What is left out of a band that is full is found
    by its other ones.

    Raises:
      ConfigError: datasketch is not installed.
    """

    def __init__(self, threshold: float) -> None:
        require_library()
        from datasketch import MinHashLSH

        # What is found is compared, so it had better be too much than too little.
        best = MinHashLSH(threshold, PERMUTATIONS, weights=(0.1, 0.9))
        self._edges = [(number * best.r, (number + 1) * best.r) for number in range(best.b)]
        self._places: list[Place] = []
        self._holders: dict[int, array[int]] = {}

    def bands(self, signature: np.ndarray) -> list[int]:
        """Numbers of 64 bits that stand for the bands of a signature."""
        content = signature.astype("<u4").tobytes()
        return [
            int.from_bytes(
                blake2b(
                    content[4 * begin : 4 * end], digest_size=8, salt=begin.to_bytes(2, "big")
                ).digest(),
                "big",
            )
            for begin, end in self._edges
        ]

    def candidates(self, bands: list[int]) -> list[Place]:
        """At most `MOST_COMPARED` documents, those first that share most bands."""
        shared = Counter(number for band in bands for number in self._holders.get(band, ()))
        most = sorted(shared, key=lambda number: (-shared[number], number))[:MOST_COMPARED]
        return [self._places[number] for number in most]

    def add(self, place: Place, bands: list[int]) -> None:
        number = len(self._places)
        self._places.append(place)
        for band in bands:
            holders = self._holders.setdefault(band, array("Q"))
            if len(holders) < MOST_IN_BAND:
                holders.append(number)
