"""How a search is divided: slices are taken in groups, hashes in ranges.

With S slices there are about √S groups of √S slices, so what every group and every range has to
tell the other takes few files and few reads.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from math import isqrt
from pathlib import Path
from typing import Literal

import numpy as np

from electra_cli.corpus.duplicates.hashes import Held
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.duplicates.scan import SCAN_VERSION, finished_scan
from electra_cli.errors import TryAgainError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.layout import slice_name
from electra_cli.files.record import Record

Kind = Literal["documents", "paragraphs"]

WORK_PATTERN = "search-*"


@dataclass(frozen=True)
class Search:
    """What all steps of a search need to know.

    Attributes:
      folder: Of the scans, and of the outcome.
      slices: How many.
      options: What is looked for.
      held: How much is in memory at a time.
    """

    folder: Path
    slices: int
    options: DuplicateOptions
    held: Held

    @property
    def work(self) -> Path:
        """The folder of what is only made on the way; another search has another one."""
        what = json.dumps([SCAN_VERSION, self.slices, asdict(self.options)]).encode()
        name = blake2b(what, digest_size=6).hexdigest()
        return self.folder / WORK_PATTERN.replace("*", name)

    @property
    def _of_group(self) -> int:
        """Slices of a group; the last may have fewer."""
        return isqrt(max(self.slices - 1, 0)) + 1

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return -(-self.slices // self._of_group)

    def members(self, group: int) -> range:
        """The slices of a group."""
        first = group * self._of_group
        return range(first, min(first + self._of_group, self.slices))

    def path(self, what: str, number: int) -> Path:
        """A file of a group or of a range."""
        return self.work / f"{what}-{slice_name(number)}"


class Sizes(Record):
    """Of each slice of a group.

    Attributes:
      documents: How many.
      paragraphs: How many; 0 where they were not asked for.
    """

    documents: list[int]
    paragraphs: list[int]


def sum_up(search: Search, group: int) -> None:
    """Writes the sizes of a group, all of whose slices must be scanned.

    Raises:
      TryAgainError: One is not.
      OSError: A file cannot be written.
    """
    scans = []
    for index in search.members(group):
        scan = finished_scan(search.folder, index, search.options)
        if scan is None:
            raise TryAgainError(
                f"slice {index} is not scanned for duplicates in {search.folder}, or what was "
                "written is damaged",
                hint="run the same command again, with --stage scan where stages are run one by "
                "one: it scans the slice again",
            )
        scans.append(scan)
    sizes = Sizes(
        documents=[scan.documents for scan in scans],
        paragraphs=[scan.paragraphs for scan in scans],
    )
    atomic_write_text(search.path("sizes", group), sizes.model_dump_json())


def sizes_of(search: Search, group: int) -> Sizes:
    """The sizes of a group that is summed up.

    Raises:
      OSError: It is not.
    """
    return Sizes.model_validate_json(search.path("sizes", group).read_text("utf-8"))


@dataclass(frozen=True)
class Starts:
    """At which position of the whole corpus each group begins, and the last one ends.

    Attributes:
      documents: Counted in documents, [groups + 1].
      paragraphs: Counted in paragraphs, [groups + 1].
    """

    documents: tuple[int, ...]
    paragraphs: tuple[int, ...]

    @classmethod
    def of(cls, search: Search) -> Starts:
        """Of a search whose groups are summed up."""
        sizes = [sizes_of(search, group) for group in range(search.groups)]
        kinds = ([sum(s.documents) for s in sizes], [sum(s.paragraphs) for s in sizes])
        return cls(*(tuple(int(n) for n in np.cumsum([0, *counts])) for counts in kinds))

    def of_kind(self, kind: Kind) -> np.ndarray:
        """One of the two, int64 [groups + 1]."""
        return np.array(self.documents if kind == "documents" else self.paragraphs)

    def group_of(self, kind: Kind, positions: np.ndarray) -> np.ndarray:
        """The groups of positions, [n]."""
        return np.searchsorted(self.of_kind(kind)[1:], positions.astype(np.int64), "right")
