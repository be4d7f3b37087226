"""What is left out of each slice: the files that the slices are read with."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from electra_cli.corpus.duplicates.exact import document_marks, map_marks, read_records
from electra_cli.corpus.duplicates.groups import Kind, Search, Starts, sizes_of
from electra_cli.corpus.duplicates.outcome import (
    DUPLICATE,
    KEPT,
    NEAR_DUPLICATE,
    OF_LEFT_OUT_DOCUMENT,
    DropFile,
    drop_name,
)
from electra_cli.corpus.duplicates.scan import LINES_BYTES, scanned_path
from electra_cli.files.atomic import AtomicFile, atomic_write_text
from electra_cli.files.record import Record

_MARKS_AT_ONCE = 2**16
_SPREAD_AT_ONCE = 2**12  # documents, which may have many lines each


class LeftOut(Record):
    """What is left out of the slices of a group; written after their files.

    Attributes:
      documents: Documents that were compared.
      duplicate_documents: Those that repeat an earlier one exactly.
      near_duplicates: Those that nearly do.
      duplicate_paragraphs: Paragraphs that repeat an earlier one, in documents that stay.
      files: As in `Duplicates`.
    """

    documents: int
    duplicate_documents: int
    near_duplicates: int
    duplicate_paragraphs: int
    files: list[list[DropFile]]


def spread(search: Search, group: int, starts: Starts) -> Path:
    """Writes a byte for each paragraph of a group: 0, or that its document is left out.

    Returns:
      The file.

    Raises:
      OSError: A file cannot be read or written.
    """
    documents = document_marks(search, group, starts)
    path = search.path("spread", group)
    file = AtomicFile(path)
    try:
        done = 0
        for index in search.members(group):
            for data in read_records(scanned_path(search.folder, "lines", index), LINES_BYTES):
                lines = np.frombuffer(data, "<u4")
                for start in range(0, len(lines), _SPREAD_AT_ONCE):
                    some = lines[start : start + _SPREAD_AT_ONCE]
                    is_kept = documents[done : done + len(some)] == KEPT
                    marks = np.where(is_kept, KEPT, OF_LEFT_OUT_DOCUMENT).astype(np.uint8)
                    file.stream.write(np.repeat(marks, some).tobytes())
                    done += len(some)
        file.commit()
    finally:
        file.discard()
    return path


def leave_out(search: Search, group: int, starts: Starts) -> None:
    """Writes the files of a group's slices, and then a `LeftOut`.

    Args:
      search: The search.
      group: The group, of which all that is looked for is marked.
      starts: Of the groups.

    Raises:
      OSError: A file cannot be read or written.
    """
    sizes = sizes_of(search, group)
    of_documents = document_marks(search, group, starts)
    of_paragraphs = partial(map_marks, search.path("paragraphs-marks", group))
    kinds: dict[Kind, tuple[list[int], Callable[[int, int], np.ndarray]]] = {
        "documents": (sizes.documents, lambda start, count: of_documents[start : start + count])
    }
    if search.options.paragraphs:
        kinds["paragraphs"] = sizes.paragraphs, of_paragraphs
    found = {kind: Counter[int]() for kind in ("documents", "paragraphs")}
    files: list[list[DropFile]] = [[] for _ in search.members(group)]
    for kind, (counts, marks) in kinds.items():
        start = 0
        for of_slice, index, count in zip(files, search.members(group), counts, strict=True):
            path = search.folder / drop_name(kind, index)
            of_slice.append(_write(path, marks, start, count, found[kind]))
            start += count
    record = LeftOut(
        documents=found["documents"].total(),
        duplicate_documents=found["documents"][DUPLICATE],
        near_duplicates=found["documents"][NEAR_DUPLICATE],
        duplicate_paragraphs=found["paragraphs"][DUPLICATE],
        files=files,
    )
    atomic_write_text(search.path("left-out", group), record.model_dump_json())


def _write(
    path: Path,
    marks: Callable[[int, int], np.ndarray],
    start: int,
    count: int,
    found: Counter[int],
) -> DropFile:
    """Writes marks from `start` on to a file, and adds their kinds to what was found."""
    sha256 = hashlib.sha256()
    file = AtomicFile(path)
    try:
        for begin in range(start, start + count, _MARKS_AT_ONCE):
            some = marks(begin, min(_MARKS_AT_ONCE, start + count - begin)).tobytes()
            sha256.update(some)
            found.update(some)
            file.stream.write(some)
        file.commit()
    finally:
        file.discard()
    return DropFile(file=path.name, bytes=count, sha256=sha256.hexdigest())
