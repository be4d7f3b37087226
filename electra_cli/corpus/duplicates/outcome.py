"""What a de-duplication found, and how it is left out while the corpus is read.

De-duplication is a pass of its own before anything is tokenized; `search.py` finds what
repeats. Of equal documents or paragraphs the first in order of slice, document and line stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from electra_cli.corpus.duplicates.near import require_library
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.shards.counts import Counts
from electra_cli.errors import ConfigError, DataError
from electra_cli.files.layout import slice_name
from electra_cli.files.record import Record

DUPLICATES_FILE = "duplicates.json"
FORMAT_VERSION = 1

# Why a document or paragraph is left out; a byte each in the files that name them.
KEPT, DUPLICATE, NEAR_DUPLICATE, OF_LEFT_OUT_DOCUMENT = range(4)


@dataclass(frozen=True)
class DuplicateOptions:
    """What is looked for besides documents that repeat exactly.

    Attributes:
      paragraphs: Also leave out paragraphs (lines) that repeat an earlier one of any document.
      near_duplicates: Also leave out documents whose Jaccard index with an earlier one, of
        their sets of five successive words, is at least this; None for exact ones only.

    Raises:
      ConfigError: An impossible threshold, or datasketch is not installed.
    """

    paragraphs: bool = False
    near_duplicates: float | None = None

    def __post_init__(self) -> None:
        if self.near_duplicates is None:
            return
        if not 0.3 <= self.near_duplicates <= 0.95:
            raise ConfigError(
                f"the threshold of near duplicates is {self.near_duplicates}; it must be 0.3 to "
                "0.95",
                hint="0.8 finds documents that differ in about one word in 45",
            )
        require_library()


class DropFile(Record):
    """A file that says what to leave out, a byte for each document or paragraph."""

    file: str
    bytes: int
    sha256: str


class Duplicates(Record):
    """The outcome of the pass, `duplicates.json`; written last.

    Attributes:
      format_version: Of this file and of those it names.
      options: Of the pass.
      documents: Documents that were compared.
      duplicate_documents: Those that repeat an earlier one exactly.
      near_duplicates: Those that nearly do.
      duplicate_paragraphs: Paragraphs that repeat an earlier one, in documents that stay.
      files: For each slice in order its documents and, if asked for, its paragraphs.
    """

    format_version: int = FORMAT_VERSION
    options: dict[str, Any]
    documents: int
    duplicate_documents: int
    near_duplicates: int
    duplicate_paragraphs: int
    files: list[list[DropFile]]


def load_duplicates(folder: Path, slices: int, options: DuplicateOptions) -> Duplicates | None:
    """The outcome of a finished search with these options, or None.

    Its files are there, and what is in them is checked when they are read.
    """
    try:
        text = (folder / DUPLICATES_FILE).read_text("utf-8")
        record = Duplicates.model_validate_json(text)
        # One look for any number of files.
        there = {path.name for path in folder.iterdir()}
    except (OSError, ValueError):
        return None
    found = (record.format_version, record.options, len(record.files))
    complete = there.issuperset(file.file for files in record.files for file in files)
    return record if complete and found == (FORMAT_VERSION, asdict(options), slices) else None


def without_duplicates(
    documents: Iterable[Document],
    index: int,
    *,
    folder: Path,
    counts: Counts,
) -> Iterator[Document]:
    """Leaves out what the search found.

    Args:
      documents: Of the slice, the same ones as were scanned.
      index: The slice.
      folder: Of the finished search.
      counts: What is left out, up to date whenever a document is handed out.

    Raises:
      DataError: The documents are not those that were scanned, or a file of the pass is damaged.
      OSError: A file of the pass cannot be read.
    """
    files = _files_of(folder, index)
    with ExitStack() as stack:
        streams = [stack.enter_context((folder / file.file).open("rb")) for file in files]
        for stream, file in zip(streams, files, strict=True):
            if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise DataError(
                    f"{folder / file.file} is damaged: it is not what was written",
                    hint="delete the output folder, and prepare it anew",
                )
            stream.seek(0)
        marks, *paragraphs = streams
        for document in documents:
            mark = marks.read(1)
            dropped = paragraphs[0].read(len(document)) if paragraphs else bytes(len(document))
            if not mark or len(dropped) < len(document):
                raise _changed(index)
            if mark[0] != KEPT:
                counts.duplicate_documents += mark[0] == DUPLICATE
                counts.near_duplicates += mark[0] == NEAR_DUPLICATE
                continue
            if any(dropped):
                lines = len(document)
                document = [
                    line for line, why in zip(document, dropped, strict=True) if why == KEPT
                ]
                counts.duplicate_paragraphs += lines - len(document)
                if not document:
                    counts.emptied_documents += 1
                    continue
            yield document
        if any(stream.read(1) for stream in streams):
            raise _changed(index)


def drop_name(kind: str, index: int) -> str:
    """The file that says which `documents` or `paragraphs` of a slice are left out."""
    return f"drop-{kind}-{slice_name(index)}.bin"


def _files_of(folder: Path, index: int) -> list[DropFile]:
    """What the outcome says of one slice; to hold all of them would take a worker 2 KB a slice."""
    with (
        (folder / DUPLICATES_FILE).open("rb") as file,
        mmap(file.fileno(), 0, access=ACCESS_READ) as outcome,
    ):
        place = outcome.find(f'"{drop_name("documents", index)}"'.encode())
        if place < 0:
            raise _changed(index)
        begin, end = outcome.rfind(b"[", 0, place), outcome.find(b"]", place)
        return TypeAdapter(list[DropFile]).validate_json(outcome[begin : end + 1])


def _changed(index: int) -> DataError:
    return DataError(
        f"slice {index} is no longer what was scanned for duplicates: the input has changed",
        hint="delete the output folder, and prepare the input as it is now",
    )
