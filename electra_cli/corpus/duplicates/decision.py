"""Which documents are near duplicates: pairs are compared, and then decided in order.

Legend of shapes: p pairs at a time, u different documents.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache

import numpy as np

from electra_cli.corpus.duplicates.exact import read_records, write_blank
from electra_cli.corpus.duplicates.groups import Search, Starts, sizes_of
from electra_cli.corpus.duplicates.hashes import POSITION
from electra_cli.corpus.duplicates.near import (
    MOST_COMPARED,
    MOST_IN_BAND,
    PERMUTATIONS,
    Bands,
)
from electra_cli.corpus.duplicates.pairs import PAIR
from electra_cli.corpus.duplicates.parts import PartsWriter, read_part
from electra_cli.corpus.duplicates.scan import scanned_path
from electra_cli.files.atomic import AtomicFile

_COMPARED_AT_ONCE = 2**13
_STATES_AT_ONCE = 2**16


def verify(search: Search, group: int, starts: Starts, bands: Bands, ranges: int) -> None:
    """Writes the pairs of near duplicates whose later document is in a group, by that document.

    Args:
      search: The search.
      group: The group.
      starts: Of the groups.
      bands: How signatures are cut.
      ranges: How many, all of which are paired.

    Raises:
      OSError: A file cannot be read or written.
    """
    threshold = search.options.near_duplicates
    assert threshold is not None
    first, end = starts.documents[group : group + 2]
    most = search.held.range_bytes
    # However many others a document shares bands with, the pairs of so many can be held.
    at_once = max(most // (bands.count * MOST_IN_BAND * PAIR.itemsize), 1)
    parts = -(-(end - first) // at_once)
    by_document = search.path("pairs-of", group)
    with PartsWriter(by_document, parts, PAIR, most) as writer:
        for number in range(ranges):
            for pairs in read_part(search.path("pairs", number), group, PAIR, most):
                writer.add((pairs["later"].astype(np.int64) - first) // at_once, pairs)
    signatures = _Signatures(search, starts)
    file = AtomicFile(search.path("near-pairs", group))
    try:
        for part in range(parts):
            read = read_part(by_document, part, PAIR, most)
            pairs = _most_alike(np.concatenate([np.empty(0, PAIR), *read]))
            for start in range(0, len(pairs), _COMPARED_AT_ONCE):
                some = pairs[start : start + _COMPARED_AT_ONCE]  # [p]
                near = signatures.agreement(some) >= threshold
                file.stream.write(some[near].tobytes())
        file.commit()
    finally:
        file.discard()


def decide(search: Search, starts: Starts) -> None:
    """Writes the positions of documents that are near to an earlier one that is kept, by group.

    It is one step for the whole corpus. It reads no more than pairs that are near, and maps a byte
    for each document.

    Args:
      search: The search, all of whose groups are verified.
      starts: Of the groups.

    Raises:
      OSError: A file cannot be read or written.
    """
    documents = starts.documents[-1]
    path, most = search.path("near", 0), search.held.range_bytes
    with (
        tempfile.TemporaryFile(dir=search.work) as file,
        PartsWriter(path, search.groups, POSITION, most) as writer,
    ):
        write_blank(file, max(documents, 1))
        file.flush()
        shape = max(documents, 1)  # nothing cannot be mapped
        left_out = np.asarray(np.memmap(file, bool, "r+", 0, shape))[:documents]
        for group in range(search.groups):
            for data in read_records(search.path("near-pairs", group), PAIR.itemsize):
                _leave_out(np.frombuffer(data, PAIR), left_out)
        for start in range(0, documents, _STATES_AT_ONCE):
            found = start + np.flatnonzero(left_out[start : start + _STATES_AT_ONCE])
            positions = found.astype(POSITION)
            writer.add(starts.group_of("documents", positions), positions)


def _leave_out(pairs: np.ndarray, left_out: np.ndarray) -> None:
    """Decides pairs, [p], that are sorted by the later document; all before are decided."""
    later, earlier = pairs["later"].astype(np.int64), pairs["earlier"].astype(np.int64)
    known = earlier < later[0]
    left_out[later[known][~left_out[earlier[known]]]] = True
    rest = ~known
    for document, other in zip(later[rest].tolist(), earlier[rest].tolist(), strict=True):
        if not left_out[other]:
            left_out[document] = True


def _most_alike(pairs: np.ndarray) -> np.ndarray:
    """Of pairs, [p], those of each document that occur most often, each once, by document."""
    pairs = pairs[np.lexsort((pairs["earlier"], pairs["later"]))]
    begins = np.flatnonzero(_changes(pairs["later"]) | _changes(pairs["earlier"]))
    shared = np.diff(begins, append=len(pairs))  # bands
    pairs = pairs[begins]
    order = np.lexsort((pairs["earlier"], -shared, pairs["later"]))
    pairs = pairs[order]
    places = np.arange(len(pairs))
    begin = np.maximum.accumulate(np.where(_changes(pairs["later"]), places, 0))
    chosen: np.ndarray = pairs[places - begin < MOST_COMPARED]
    return chosen


def _changes(numbers: np.ndarray) -> np.ndarray:
    """Which numbers differ from the one before."""
    return np.concatenate([[True], numbers[1:] != numbers[:-1]])[: len(numbers)]


class _Signatures:
    """The signatures of all documents of the corpus, wherever they lie.

    Raises:
      OSError: A file cannot be read.
    """

    def __init__(self, search: Search, starts: Starts) -> None:
        self._search = search
        self._starts = starts
        self._group_ends = np.array(starts.documents[1:])
        self._ends_in = lru_cache(maxsize=None)(self._ends)

    def agreement(self, pairs: np.ndarray) -> np.ndarray:
        """The share of equal numbers in the signatures of pairs, float64 [p]."""
        both = np.concatenate([pairs["later"], pairs["earlier"]])  # [2p]
        positions, places = np.unique(both, return_inverse=True)  # [u], [2p]
        later, earlier = self._read(positions.astype(np.int64))[places].reshape(
            2, len(pairs), PERMUTATIONS
        )
        share: np.ndarray = np.mean(later == earlier, axis=1)
        return share

    def _read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at sorted positions, [u], as uint32 [u, PERMUTATIONS]."""
        found = np.empty((len(positions), PERMUTATIONS), "<u4")
        done = 0
        while done < len(positions):
            slice_, start, end = self._slice_of(int(positions[done]))
            until = int(np.searchsorted(positions, end))
            path = scanned_path(self._search.folder, "signatures", slice_)
            of_slice = np.memmap(path, "<u4", "r", 0, (end - start, PERMUTATIONS))
            found[done:until] = of_slice[positions[done:until] - start]
            done = until
        return found

    def _slice_of(self, position: int) -> tuple[int, int, int]:
        """The slice of a document, and the positions at which it begins and ends."""
        group = int(np.searchsorted(self._group_ends, position, "right"))
        ends = self._ends_in(group)
        place = int(np.searchsorted(ends, position, "right"))
        start = ends[place - 1] if place else self._starts.documents[group]
        return self._search.members(group)[place], int(start), int(ends[place])

    def _ends(self, group: int) -> np.ndarray:
        """Where the slices of a group end, int64 [slices]."""
        sizes = sizes_of(self._search, group).documents
        return self._starts.documents[group] + np.cumsum(sizes)
