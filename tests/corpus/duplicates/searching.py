"""Searches for duplicates in made-up slices, and the same in plain Python."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np

from electra_cli.corpus.duplicates import scan, search
from electra_cli.corpus.duplicates.hashes import Held
from electra_cli.corpus.duplicates.near import MOST_COMPARED, MOST_IN_BAND, PERMUTATIONS, Bands
from electra_cli.corpus.duplicates.outcome import DuplicateOptions, without_duplicates
from electra_cli.corpus.shards.counts import Counts

EXACT = DuplicateOptions()
PARAGRAPHS = DuplicateOptions(paragraphs=True)
NEAR = DuplicateOptions(near_duplicates=0.8)
ALL = DuplicateOptions(paragraphs=True, near_duplicates=0.8)

# So little that whatever can be divided is, and that runs go to disk.
TINY = Held(window=16, range_bytes=500)
SMALL = Held(window=16, range_bytes=2500)


def random_slices(slices=4, documents=60, *, seed=0):
    """Slices in which documents and lines repeat within and across, one of them empty."""
    rng = random.Random(seed)
    lines = [f"line {number}" for number in range(120)]
    made = [
        [rng.choices(lines, k=rng.randint(1, 3)) for _ in range(documents)] for _ in range(slices)
    ]
    made.insert(2, [])
    return made


def scanned(slices, folder, options=EXACT, *, order=None):
    """Scans slices."""
    folder.mkdir(exist_ok=True)
    for index in order or range(len(slices)):
        scan.scan_slice(slices[index], index, folder=folder, options=options)


def searched(folder, slices, options=EXACT, *, held=Held()):
    """Does all passes in order, and returns what is found."""
    for steps in search.passes(folder, slices, options, held):
        for step in steps:
            if not step.is_done:
                step.work()
            assert step.is_done
    return search.finish(folder, slices, options)


def deduplicate(slices, folder, options=EXACT, *, held=Held()):
    """What is left of slices, and the counts of what is not."""
    scanned(slices, folder, options)
    found = searched(folder, len(slices), options, held=held)
    search.clean(folder)
    counts = Counts()
    kept = [
        list(without_duplicates(documents, index, folder=folder, counts=counts))
        for index, documents in enumerate(slices)
    ]
    assert counts.duplicate_documents == found.duplicate_documents
    assert counts.near_duplicates == found.near_duplicates
    assert counts.duplicate_paragraphs == found.duplicate_paragraphs
    assert found.documents == sum(map(len, slices))
    return kept, counts


def by_hand(slices, *, paragraphs):
    """The same for what is equal, with everything in memory."""
    counts = Counts()
    seen_documents, seen_lines = set(), set()
    result = []
    for documents in slices:
        kept = []
        for document in documents:
            if tuple(document) in seen_documents:
                counts.duplicate_documents += 1
                continue
            seen_documents.add(tuple(document))
            lines = []
            for line in document:
                if paragraphs and line in seen_lines:
                    counts.duplicate_paragraphs += 1
                    continue
                seen_lines.add(line)
                lines.append(line)
            counts.emptied_documents += not lines
            if lines:
                kept.append(lines)
        result.append(kept)
    return result, counts


class NamedSigner:
    """Signs a document with the signature that its text is the number of."""

    def __init__(self, signatures):
        self._signatures = signatures

    def sign(self, document):
        return self._signatures[int(document[0])].astype("<u4").tobytes()


def near_ones(signatures, folder, monkeypatch, threshold, *, per_slice=500, held=Held()):
    """The numbers of signatures, uint32 [n, PERMUTATIONS], that are found to be near an earlier."""
    monkeypatch.setattr(scan, "Signer", lambda: NamedSigner(signatures))
    documents = [[str(number)] for number in range(len(signatures))]
    slices = [documents[at : at + per_slice] for at in range(0, len(documents), per_slice)]
    options = DuplicateOptions(near_duplicates=threshold)
    kept, _ = deduplicate(slices, folder, options, held=held)
    return sorted(set(range(len(documents))) - {int(d[0]) for of_slice in kept for d in of_slice})


def near_ones_by_hand(signatures, threshold):
    """The same by the rules as they are written down, one document after the other."""
    hashes = Bands.of(threshold).hashes(signatures)
    holders: dict[int, list[int]] = {}
    left_out: list[int] = []
    for number, bands in enumerate(hashes.tolist()):
        shared = Counter(other for band in bands for other in holders.get(band, []))
        most = sorted(shared, key=lambda other: (-shared[other], other))[:MOST_COMPARED]
        if any(
            np.mean(signatures[number] == signatures[other]) >= threshold
            for other in set(most).difference(left_out)
        ):
            left_out.append(number)
        for band in bands:
            if len(of_band := holders.setdefault(band, [])) < MOST_IN_BAND:
                of_band.append(number)
    return left_out


def with_something_in_common(count, *, share, seed=0):
    """Signatures that agree in about a share of their numbers, any two of them in its square."""
    rng = np.random.default_rng(seed)
    common = rng.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32)
    own = rng.integers(0, 2**32, (count, PERMUTATIONS), dtype=np.uint32)
    return np.where(rng.random((count, PERMUTATIONS)) < share, common, own)  # [count, P]


def drifting(versions, *, changed, seed=0):
    """Signatures of versions of one text: each has so many numbers new that the one before had."""
    rng = np.random.default_rng(seed)
    made = np.empty((versions, PERMUTATIONS), np.uint32)
    made[0] = rng.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32)
    for before, signature in pairwise(made):
        signature[:] = before
        places = rng.choice(PERMUTATIONS, changed, replace=False)
        signature[places] = rng.integers(0, 2**32, changed, dtype=np.uint32)
    return made
