"""Which documents are compared for being near duplicates: pairs of such as share a band.

Legend of shapes: n documents or records at a time, p pairs.
"""

from __future__ import annotations

import numpy as np

from electra_cli.corpus.duplicates.exact import map_marks, read_range, read_records
from electra_cli.corpus.duplicates.groups import Search, Starts
from electra_cli.corpus.duplicates.hashes import range_of
from electra_cli.corpus.duplicates.near import MOST_IN_BAND, PERMUTATIONS, SIGNATURE_BYTES, Bands
from electra_cli.corpus.duplicates.outcome import KEPT
from electra_cli.corpus.duplicates.parts import PartsWriter, gathered
from electra_cli.corpus.duplicates.scan import scanned_path

PLACED_BAND = np.dtype([("hash", "<u8"), ("position", "<u8")])
# Positions of two documents among all of the corpus.
PAIR = np.dtype([("later", "<u8"), ("earlier", "<u8")])


def divide_bands(search: Search, group: int, starts: Starts, bands: Bands, ranges: int) -> None:
    """Divides the bands of a group's documents by range; exact duplicates have none.

    Args:
      search: The search.
      group: The group; its documents are marked.
      starts: Of the groups.
      bands: How signatures are cut.
      ranges: How many.

    Raises:
      OSError: A file cannot be read or written.
    """
    first = starts.documents[group]
    marked = search.path("documents-marks", group)
    position = first
    path, most = search.path("bands-divided", group), search.held.range_bytes
    with PartsWriter(path, ranges, PLACED_BAND, most) as writer:
        for index in search.members(group):
            for data in read_records(
                scanned_path(search.folder, "signatures", index), SIGNATURE_BYTES
            ):
                signatures = np.frombuffer(data, "<u4").reshape(-1, PERMUTATIONS)  # [n, P]
                kept = map_marks(marked, position - first, len(signatures)) == KEPT
                hashes = bands.hashes(signatures[kept])  # [n, bands]
                found = np.empty(hashes.shape, PLACED_BAND)  # [n, bands]
                found["hash"] = hashes
                found["position"] = (position + np.flatnonzero(kept))[:, None]
                position += len(signatures)
                writer.add(range_of(hashes.ravel(), ranges), found.ravel())


def pair(search: Search, number: int, starts: Starts) -> None:
    """Pairs the documents that share a band of a range, each with the first ones that have it.

    Args:
      search: The search.
      number: The range.
      starts: Of the groups, all of which are divided.

    Raises:
      OSError: A file cannot be read or written.
    """
    most = search.held.range_bytes
    first_ones = np.empty(0, PLACED_BAND)  # of each band
    path = search.path("pairs", number)
    with PartsWriter(path, search.groups, PAIR, most) as writer:
        stretches = read_range(search, "bands-divided", number, PLACED_BAND)
        # Half, since what is reckoned of a band takes three times as much as the band.
        for placed in gathered(stretches, most // 2):
            found = np.concatenate([first_ones, placed])  # those of one band by position
            order = np.argsort(found["hash"], kind="stable")
            is_new = order >= len(first_ones)
            found = found[order]
            places = np.arange(len(found))
            begins = np.concatenate([[True], found["hash"][1:] != found["hash"][:-1]])
            begin = np.maximum.accumulate(np.where(begins, places, 0))  # of its band
            rank = places - begin
            for earlier in range(MOST_IN_BAND):
                later = np.flatnonzero(is_new & (rank > earlier))  # [p]
                if not len(later):
                    break
                pairs = np.empty(len(later), PAIR)  # [p]
                pairs["later"] = found["position"][later]
                pairs["earlier"] = found["position"][begin[later] + earlier]
                writer.add(starts.group_of("documents", pairs["later"]), pairs)
            first_ones = found[rank < MOST_IN_BAND]
