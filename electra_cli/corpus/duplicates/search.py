"""The search for duplicates: slices are scanned, then passes of steps find what repeats.

Each pass is a list of steps that any processes do, in any order; only the decision which near
duplicates are left out is a single step (ADR 0023 has what it takes). The search for equal
documents, and the same again for paragraphs, is

1. by group of slices: hashes are divided by range, so that equal ones come together;
2. by range: hashes are compared, and what repeats an earlier one is divided by group;
3. by group: what repeats is marked, a byte for each text.

Near duplicates come between the two (`pairs.py`, `decision.py`). Paragraphs are compared last,
since the first of equal ones must not be in a document that is left out.

A step holds up to three times `Held.range_bytes`, and up to seven times where many documents are
like each other, however large corpus and slices are and however often a text repeats. What marks
documents is mapped besides: a byte for each of a group, and of the corpus in that single step.

On disk a document takes 40 bytes until `clean` is called, and one afterwards; a paragraph too. A
signature for near duplicates takes 512, its bands 16 each, and pairs of it at most 32 for each of
`MOST_IN_BAND` in a band.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from electra_cli.corpus.duplicates.decision import decide, verify
from electra_cli.corpus.duplicates.exact import compare, divide, mark
from electra_cli.corpus.duplicates.groups import (
    WORK_PATTERN,
    Kind,
    Search,
    Starts,
    sum_up,
)
from electra_cli.corpus.duplicates.hashes import PLACED_HASH, Held
from electra_cli.corpus.duplicates.left_out import LeftOut, leave_out, spread
from electra_cli.corpus.duplicates.near import Bands
from electra_cli.corpus.duplicates.outcome import (
    DUPLICATES_FILE,
    DuplicateOptions,
    Duplicates,
    load_duplicates,
)
from electra_cli.corpus.duplicates.pairs import PLACED_BAND, divide_bands, pair
from electra_cli.corpus.duplicates.scan import finished_scan, remove_scans, scan_slice
from electra_cli.corpus.step import Step
from electra_cli.files.atomic import atomic_write_text

__all__ = ["Held", "clean", "finish", "finished_scan", "passes", "scan_slice"]


def passes(
    folder: Path, slices: int, options: DuplicateOptions, held: Held = Held()
) -> Iterator[list[Step]]:
    """Everything between the scans and `finish`; nothing where that is done.

    Args:
      folder: With the scans of all slices.
      slices: How many.
      options: As they were scanned.
      held: How much a step has in memory; the same for all processes.

    Yields:
      A pass: steps that need all steps before, and none of each other. The next one is to be asked
      for when all of them are done, whoever did them. A step raises TryAgainError where a slice is
      not scanned, and OSError where a file cannot be read or written.

    Raises:
      ConfigError: datasketch is not installed, and near duplicates are looked for.
      OSError: A file cannot be read or written.
    """
    if load_duplicates(folder, slices, options) is not None:
        return
    search = Search(folder, slices, options, held)
    search.work.mkdir(exist_ok=True)

    def by_group(what: str, result: str, work: Callable[..., None], *args: Any) -> list[Step]:
        return [
            Step(
                f"{what}, slices {search.members(group)[0]} to {search.members(group)[-1]}",
                search.path(result, group),
                partial(work, search, group, *args),
            )
            for group in range(search.groups)
        ]

    def by_range(
        what: str, ranges: int, result: str, work: Callable[..., None], *args: Any
    ) -> list[Step]:
        return [
            Step(
                f"{what}, range {number + 1} of {ranges}",
                search.path(result, number),
                partial(work, search, number, *args),
            )
            for number in range(ranges)
        ]

    def of_kind(kind: Kind, starts: Starts) -> Iterator[list[Step]]:
        size = int(starts.of_kind(kind)[-1]) * PLACED_HASH.itemsize
        ranges = held.ranges(size)
        yield by_group(f"{kind} divided", f"{kind}-divided", _divide, starts, kind, ranges)
        yield by_range(f"{kind} compared", ranges, f"{kind}-repeats", compare, starts, kind)
        yield by_group(f"{kind} marked", f"{kind}-marks", mark, starts, kind, ranges)

    yield by_group("sizes", "sizes", sum_up)
    starts = Starts.of(search)
    yield from of_kind("documents", starts)
    if options.near_duplicates is not None:
        bands = Bands.of(options.near_duplicates)
        ranges = held.ranges(starts.documents[-1] * bands.count * PLACED_BAND.itemsize)
        yield by_group("bands", "bands-divided", divide_bands, starts, bands, ranges)
        yield by_range("bands compared", ranges, "pairs", pair, starts)
        yield by_group("near duplicates", "near-pairs", verify, starts, bands, ranges)
        yield [Step("near duplicates", search.path("near", 0), partial(decide, search, starts))]
    if options.paragraphs:
        yield from of_kind("paragraphs", starts)
    yield by_group("what is left out", "left-out", leave_out, starts)


def _divide(search: Search, group: int, starts: Starts, kind: Kind, ranges: int) -> None:
    marked = spread(search, group, starts) if kind == "paragraphs" else None
    divide(search, group, starts, kind, ranges, marked)


def finish(folder: Path, slices: int, options: DuplicateOptions) -> Duplicates:
    """Writes what was found, unless that has been done.

    Args:
      folder: As of `passes`, all of whose steps are done.
      slices: The same.
      options: The same.

    Raises:
      OSError: A step is not done, or the file cannot be written.
    """
    finished = load_duplicates(folder, slices, options)
    if finished is not None:
        return finished
    search = Search(folder, slices, options, Held())
    paths = [search.path("left-out", group) for group in range(search.groups)]
    groups = [LeftOut.model_validate_json(path.read_text("utf-8")) for path in paths]
    found = Duplicates(
        options=asdict(options),
        documents=sum(group.documents for group in groups),
        duplicate_documents=sum(group.duplicate_documents for group in groups),
        near_duplicates=sum(group.near_duplicates for group in groups),
        duplicate_paragraphs=sum(group.duplicate_paragraphs for group in groups),
        files=[files for group in groups for files in group.files],
    )
    atomic_write_text(folder / DUPLICATES_FILE, found.model_dump_json(indent=1) + "\n")
    return found


def clean(folder: Path) -> None:
    """Removes all but the outcome; nobody may be at work on the search.

    Raises:
      OSError: A file cannot be removed.
    """
    remove_scans(folder)
    for path in folder.glob(WORK_PATTERN):
        shutil.rmtree(path)
