"""The plan of a preparation: which slice holds which bytes of which file.

Everything that decides the output is in the plan and nothing else, so the number of workers is
not. Slices are what is scheduled, resumed and redone.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from electra_cli.corpus.discovery import InputFile
from electra_cli.corpus.readers import Part
from electra_cli.errors import DataError, InputMissingError

PLAN_FORMAT_VERSION = 1
SLICE_BYTES = 16 * 2**20

# How much text a byte of gzip stands for, near enough to group small files.
_GZIP_RATIO = 3
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")


@dataclass(frozen=True)
class Slice:
    """What one call of `prepare_slice` reads.

    Attributes:
      index: Position in the plan; names the slice's shards.
      parts: Ranges of files, in order.
    """

    index: int
    parts: tuple[Part, ...]

    @property
    def disk_bytes(self) -> int:
        """Bytes on disk, which progress is measured in."""
        return sum(part.end - part.start for part in self.parts)


@dataclass(frozen=True)
class Plan:
    """All slices, and the options that decide the bytes of the shards."""

    options: Mapping[str, Any]
    slices: tuple[Slice, ...]

    @property
    def disk_bytes(self) -> int:
        """Bytes of all inputs on disk."""
        return sum(slice_.disk_bytes for slice_ in self.slices)

    def to_json(self) -> dict[str, Any]:
        """The plan as it is stored; the fingerprint is the hash of all the rest."""
        files = sorted({part.file for slice_ in self.slices for part in slice_.parts}, key=_order)
        numbers = {file: number for number, file in enumerate(files)}
        content = {
            "format_version": PLAN_FORMAT_VERSION,
            "options": dict(self.options),
            "inputs": [{"name": file.name, "bytes": file.size} for file in files],
            "slices": [
                [[numbers[part.file], part.start, part.end] for part in slice_.parts]
                for slice_ in self.slices
            ],
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return {"fingerprint": hashlib.sha256(canonical.encode()).hexdigest(), **content}


def make_plan(
    files: Sequence[InputFile], *, options: Mapping[str, Any], slice_bytes: int = SLICE_BYTES
) -> Plan:
    """Cuts large files at document boundaries and groups small ones.

    Args:
      files: The inputs in order; empty ones have no part in the plan.
      options: Whatever else decides the shards; must be JSON.
      slice_bytes: Uncompressed bytes that a slice is meant to hold.

    Raises:
      DataError: No file holds anything.
      InputMissingError: A file is gone or cannot be opened.
    """
    slices: list[Slice] = []
    group: list[Part] = []
    weight = 0
    for file in files:
        for part in _parts(file, slice_bytes):
            added = (part.end - part.start) * (_GZIP_RATIO if file.compressed else 1)
            if group and weight + added > slice_bytes:
                slices.append(Slice(len(slices), tuple(group)))
                group, weight = [], 0
            group.append(part)
            weight += added
    if group:
        slices.append(Slice(len(slices), tuple(group)))
    if not slices:
        names = ", ".join(str(file.path) for file in files[:3])
        raise DataError(
            f"nothing to prepare: the input is empty ({names})", hint="give an input with text"
        )
    return Plan(options=options, slices=tuple(slices))


def _parts(file: InputFile, slice_bytes: int) -> Iterator[Part]:
    if not file.size:
        return
    if file.compressed or file.size <= slice_bytes:
        yield Part(file, 0, file.size)
        return
    try:
        stream = file.path.open("rb")
    except (FileNotFoundError, PermissionError) as error:
        raise InputMissingError(f"input cannot be opened: {file.path}") from error
    with stream, mmap.mmap(stream.fileno(), file.size, access=mmap.ACCESS_READ) as content:
        start = 0
        while start < file.size:
            end = file.size
            if start + slice_bytes < file.size:
                end = _boundary(content, start + slice_bytes, is_jsonl=file.is_jsonl)
            yield Part(file, start, end)
            start = end


def _boundary(content: mmap.mmap, position: int, *, is_jsonl: bool) -> int:
    """The first byte at or after `position` where a document may begin.

    Files whose lines end with a bare \\r, or text whose blank lines hold rarer spaces, are cut
    less often than they could be, but never inside a document.
    """
    if is_jsonl:
        return content.find(b"\n", position - 1) + 1 or len(content)
    found = _BLANK_LINE.search(content, position - 1)
    return found.end() if found else len(content)


def _order(file: InputFile) -> tuple[str, str]:
    return file.name, str(file.path)
