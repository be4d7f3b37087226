"""The plan of a preparation: which slice holds which part of which file.

Everything that decides the output is in the plan and nothing else, so the number of workers is
not. Slices are what is scheduled, resumed and redone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO

from electra_cli.corpus.reading.faults import DamagedError, LeftOut
from electra_cli.corpus.reading.input_file import InputFile
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.corpus.reading.readers import Part, open_input
from electra_cli.corpus.reading.tables.columns import parquet_row_groups
from electra_cli.corpus.reading.texts import Documents
from electra_cli.errors import DataError
from electra_cli.files.remote.store import side_by_side

PLAN_FORMAT_VERSION = 4
SLICE_BYTES = 16 * 2**20

# How much text a compressed byte stands for, near enough to group small files and to say how much
# room they need.
_COMPRESSION_RATIO = 3
_LINE_END = re.compile(rb"\n")
_LONGEST_BLANK_LINE = 2**12  # kept of what is read, in case an end has begun
_READ_AT_FIRST = 2**16  # a document's end is near as a rule, and a terabyte has 62,500 slices
BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")


# Receives the file that is being read, as errors call it, and how many more of its bytes on disk
# are done.
Report = Callable[[str, int], None]

# Where files were cut before, which is where they would be cut again: by their size, format and
# fingerprint the ends of their parts.
Cuts = Mapping[tuple[int, str, str], Sequence[int]]


@dataclass(frozen=True)
class Slice:
    """What one call of `prepare_slice` reads.

    Attributes:
      index: Position in the plan; names the slice's shards.
      parts: Ranges of files, in order.
      is_stream: Whether it is one part that holds more than a slice should and cannot be cut:
        it is read once and cut into slices of its own on the way.
    """

    index: int
    parts: tuple[Part, ...]
    is_stream: bool = False

    @property
    def disk_bytes(self) -> int:
        """Bytes on disk, which progress is measured in."""
        return sum(part.disk_bytes for part in self.parts)

    @property
    def text_bytes(self) -> int:
        """Bytes of text that come out of them, more or less."""
        return sum(map(_text_bytes, self.parts))

    @property
    def label(self) -> str:
        """What errors call the first of its files."""
        return self.parts[0].file.label


@dataclass(frozen=True)
class Plan:
    """All slices, and the options that decide the bytes of the shards.

    Attributes:
      options: By name.
      slices: In order.
      left_out: Files that are in no slice, under `--on-error skip`.
      files: How many files there are, with those that no reader knows.
      passed_over: What folders hold besides; it decides nothing and so is not stored.
    """

    options: Mapping[str, Any]
    slices: tuple[Slice, ...]
    left_out: LeftOut
    files: int
    passed_over: PassedOver

    def to_json(self) -> dict[str, Any]:
        """The plan as it is stored; the fingerprint is the hash of all the rest."""
        files = sorted({part.file for slice_ in self.slices for part in slice_.parts}, key=_order)
        numbers = {file: number for number, file in enumerate(files)}
        content = {
            "format_version": PLAN_FORMAT_VERSION,
            "options": dict(self.options),
            "inputs": [
                {
                    "name": file.name,
                    "bytes": file.size,
                    "format": file.format,
                    "fingerprint": file.fingerprint,
                }
                for file in files
            ],
            "unreadable": sorted(self.left_out.unreadable),
            "damaged": sorted(self.left_out.damaged),
            "slices": [
                [[numbers[part.file], part.start, part.end] for part in slice_.parts]
                for slice_ in self.slices
            ],
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return {"fingerprint": hashlib.sha256(canonical.encode()).hexdigest(), **content}


def make_plan(
    files: Sequence[InputFile],
    report: Report = lambda file, disk_bytes: None,
    *,
    options: Mapping[str, Any],
    text_field: str,
    slice_bytes: int = SLICE_BYTES,
    documents: Documents = "blank-line",
    left_out: LeftOut | None = None,
    passed_over: PassedOver | None = None,
    cuts: Cuts = MappingProxyType({}),
) -> Plan:
    """Cuts large files between documents and groups small ones.

    Args:
      files: The inputs in order; empty ones have no part in the plan.
      report: Receives the name of each file before it is opened.
      options: Whatever else decides the shards; must be JSON.
      text_field: The column of text in Parquet, whose row groups are weighed by it.
      slice_bytes: Uncompressed bytes that a slice is meant to hold.
      documents: What ends a document of plain text; a file that is one is not cut.
      left_out: Files that were left out before; takes damaged tables too. By default they are
        errors.
      passed_over: What folders hold besides.
      cuts: See `cuts_of`; other files are cut anew.

    Raises:
      DataError: No file holds anything, or a Parquet file has no such column or is damaged.
      InputMissingError: A file is gone or cannot be opened.
    """
    slices: list[Slice] = []
    group: list[Part] = []
    weight = 0

    def close(*, is_stream: bool = False) -> None:
        nonlocal group, weight
        if group:
            slices.append(Slice(len(slices), tuple(group), is_stream))
        group, weight = [], 0

    left_out = left_out or LeftOut(skips=False)
    total = len(files) + len(left_out.unreadable)

    def cut(file: InputFile) -> list[tuple[Part, int]] | DamagedError:
        try:
            return list(_parts(file, slice_bytes, text_field, documents, cuts))
        except DamagedError as error:
            return error

    is_stored = any(isinstance(file.path, str) for file in files)
    found = iter(side_by_side(cut, files) if is_stored else map(cut, files))
    for file in files:
        report(file.label, 0)
        parts = next(found)
        if isinstance(parts, DamagedError):
            left_out.add(file.name, parts)
            continue
        for part, added in parts:
            if weight + added > slice_bytes:
                close()
            group.append(part)
            weight += added
            # Of text without blank lines a part can be as large as the file.
            if added > (2 if file.splits_at_bytes else 1) * slice_bytes:
                close(is_stream=True)
    close()
    left_out.check_share(total, "the input")
    if not slices:
        left_out.check_not_all()
        names = ", ".join(file.label for file in files[:3])
        raise DataError(
            f"nothing to prepare: the input is empty ({names})", hint="give an input with text"
        )
    return Plan(
        options=options,
        slices=tuple(slices),
        left_out=left_out,
        files=total,
        passed_over=passed_over or PassedOver(),
    )


def cuts_of(plan: Any) -> Cuts:
    """Where an earlier plan cut files; nowhere if it is of another version, or damaged.

    Args:
      plan: As it is stored.
    """
    ends: dict[int, list[int]] = {}
    try:
        if plan["format_version"] != PLAN_FORMAT_VERSION:
            return {}
        for parts in plan["slices"]:
            for number, _, end in parts:
                ends.setdefault(number, []).append(end)
        return {
            (file["bytes"], file["format"], file["fingerprint"]): ends[number]
            for number, file in enumerate(plan["inputs"])
            if number in ends
        }
    except (TypeError, KeyError, ValueError):
        return {}


def _parts(
    file: InputFile, slice_bytes: int, text_field: str, documents: Documents, cuts: Cuts
) -> Iterator[tuple[Part, int]]:
    """The parts of a file, each with the bytes of text it holds, more or less."""
    if not file.size:
        return
    is_document = file.format == "txt" and documents == "file"
    if file.splits_at_row_groups:
        yield from _row_group_parts(file, slice_bytes, text_field)
    elif file.splits_at_bytes and file.size > slice_bytes and not is_document:
        start = 0
        for end in cuts.get((file.size, file.format, file.fingerprint)) or _cut(file, slice_bytes):
            yield Part(file, start, end, end - start), end - start
            start = end
    else:
        part = Part(file, 0, file.size, file.size)
        yield part, _text_bytes(part)


def _text_bytes(part: Part) -> int:
    """Bytes of text in a part, more or less."""
    # What is in a zip is compressed, most of the time.
    is_compressed = part.file.compressed or part.file.format == "zip"
    return part.disk_bytes * (_COMPRESSION_RATIO if is_compressed else 1)


def _row_group_parts(
    file: InputFile, slice_bytes: int, text_field: str
) -> Iterator[tuple[Part, int]]:
    with open_input(file) as stream:
        groups = parquet_row_groups(stream, file.label, text_field)
    total = max(sum(weight for _, weight in groups), 1)
    start = done = weight = 0
    for number, (_, added) in enumerate(groups, start=1):
        weight += added
        following = groups[number][1] if number < len(groups) else slice_bytes
        if weight + following > slice_bytes or number == len(groups):
            share = file.size * (done + weight) // total - file.size * done // total
            yield Part(file, start, number, share), weight
            start, done, weight = number, done + weight, 0


def _cut(file: InputFile, slice_bytes: int) -> Iterator[int]:
    """Where the parts of a file end."""
    ends = _LINE_END if file.format == "jsonl" else BLANK_LINE
    with open_input(file) as stream:
        end = 0
        while end < file.size:
            start, end = end, file.size
            if start + slice_bytes < file.size:
                end = min(boundary(stream, start + slice_bytes, ends), file.size)
            yield end


def boundary(
    stream: BinaryIO, position: int, ends: re.Pattern[bytes], window_bytes: int = 2**20
) -> int:
    """The first byte at or after `position` where a document may begin, or the end of the file.

    Files whose lines end with a bare \\r, or text whose blank lines hold rarer spaces, are cut
    less often than they could be, but never inside a document.

    Args:
      stream: The file.
      position: At least 1.
      ends: Matches what ends a document, or may.
      window_bytes: What is searched at once, and read if the end is not near.
    """
    begin = position - 1
    stream.seek(begin)
    window, since, size = b"", 0, min(_READ_AT_FIRST, window_bytes)
    while data := stream.read(size):
        window += data
        since += len(data)
        found = ends.search(window)
        if found is None and since >= window_bytes:
            kept = window[-_LONGEST_BLANK_LINE:]
            begin, window, since = begin + len(window) - len(kept), kept, 0
        elif found and found.end() < len(window):  # else it may go on
            return begin + found.end()
        size = window_bytes - since % window_bytes
    return begin + len(window)


def _order(file: InputFile) -> tuple[str, str]:
    return file.name, str(file.path)
