"""The search for duplicates: any process scans any slice, then one compares them all.

Memory depends neither on the size of the corpus nor on that of a slice: hashes are compared range
by range (a process that compared 15 million peaked at 142 MB), and all else is read in order. Near
duplicates are the exception (`near.py`). On disk a document takes 24 bytes until
`resolve` is done, and one afterwards; a paragraph too. A signature for near duplicates takes 512.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from electra_cli.corpus.duplicates.hash_runs import (
    HASH_BYTES,
    HashWriter,
    Held,
    mark_repeats,
    write_marks,
)
from electra_cli.corpus.duplicates.near import (
    SIGNATURE_BYTES,
    Place,
    Signer,
    find_near_duplicates,
)
from electra_cli.corpus.duplicates.outcome import (
    DUPLICATE,
    DUPLICATES_FILE,
    FORMAT_VERSION,
    KEPT,
    NEAR_DUPLICATE,
    OF_LEFT_OUT_DOCUMENT,
    DropFile,
    DuplicateOptions,
    Duplicates,
    load_duplicates,
)
from electra_cli.corpus.reading.faults import Document
from electra_cli.errors import DataError
from electra_cli.files.atomic import AtomicFile, atomic_write_text
from electra_cli.files.layout import slice_name
from electra_cli.files.record import Record

_BYTES_AT_ONCE = 2**16


class SliceScan(Record):
    """What was scanned of a slice; stored beside its hashes, after them.

    Attributes:
      format_version: Of this record and of the files.
      options: Of the scan.
      documents: How many.
      paragraphs: How many; 0 where they were not asked for.
    """

    format_version: int = FORMAT_VERSION
    options: dict[str, Any]
    documents: int
    paragraphs: int


def scan_slice(
    documents: Iterable[Document],
    index: int,
    *,
    folder: Path,
    options: DuplicateOptions,
    held: Held = Held(),
) -> SliceScan:
    """Hashes the documents of one slice, unless it has been done.

    Args:
      documents: In order, as they are going to be prepared; not read if there is nothing to do.
      index: The slice.
      folder: Existing folder of the pass; the processes that scan share it.
      options: What to look for.
      held: How much is in memory at a time.

    Raises:
      ConfigError: datasketch is not installed, and near duplicates are looked for.
      OSError: A file cannot be written.
    """
    record = finished_scan(folder, index, options)
    if record is not None:
        return record
    signer = None if options.near_duplicates is None else Signer()
    with ExitStack() as stack:

        def new(kind: str) -> AtomicFile:
            file = AtomicFile(_path(folder, kind, index))
            stack.callback(file.discard)
            return file

        files = {kind: new(kind) for kind in _kinds(options)}
        document_hashes = HashWriter(files["documents"], held)
        paragraph_hashes = HashWriter(files["paragraphs"], held) if options.paragraphs else None
        for document in documents:
            document_hashes.add("\n".join(document))
            if paragraph_hashes:
                for line in document:
                    paragraph_hashes.add(line)
                files["lines"].stream.write(len(document).to_bytes(4, "little"))
            if signer:
                files["signatures"].stream.write(signer.sign(document))
        for hashes in filter(None, (document_hashes, paragraph_hashes)):
            hashes.flush()
        for file in files.values():
            file.commit()
    record = SliceScan(
        options=asdict(options),
        documents=document_hashes.count,
        paragraphs=paragraph_hashes.count if paragraph_hashes else 0,
    )
    atomic_write_text(_scan_path(folder, index), record.model_dump_json(indent=1) + "\n")
    return record


def finished_scan(folder: Path, index: int, options: DuplicateOptions) -> SliceScan | None:
    """The record of a slice that is scanned with these options, or None."""
    try:
        record = SliceScan.model_validate_json(_scan_path(folder, index).read_text("utf-8"))
        kinds = _kinds(options)
        sizes = [_path(folder, kind, index).stat().st_size for kind in kinds]
    except (OSError, ValueError):
        return None
    same = (record.format_version, record.options) == (FORMAT_VERSION, asdict(options))
    return record if same and sizes == [_size(kind, record) for kind in kinds] else None


def resolve(
    folder: Path,
    slices: int,
    *,
    options: DuplicateOptions,
    held: Held = Held(),
) -> Duplicates:
    """Decides what to leave out, unless that has been done; then removes the hashes.

    Args:
      folder: Of the pass, with all its slices scanned.
      slices: How many.
      options: As they were scanned.
      held: The same.

    Raises:
      ConfigError: datasketch is not installed, and near duplicates are looked for.
      DataError: A slice is not scanned.
      OSError: A file cannot be read or written.
    """
    finished = load_duplicates(folder, slices, options)
    if finished is None:
        scans = [finished_scan(folder, index, options) for index in range(slices)]
        found = [scan for scan in scans if scan is not None]
        if len(found) < slices:
            raise DataError(
                f"slice {scans.index(None)} is not scanned for duplicates in {folder}",
                hint="run the same command again",
            )
        finished = _resolve(folder, found, options, held)
        atomic_write_text(folder / DUPLICATES_FILE, finished.model_dump_json(indent=1) + "\n")
    for index in range(slices):
        _scan_path(folder, index).unlink(missing_ok=True)
        for kind in _kinds(options):
            _path(folder, kind, index).unlink(missing_ok=True)
    return finished


def _resolve(
    folder: Path, scans: list[SliceScan], options: DuplicateOptions, held: Held
) -> Duplicates:
    slices = range(len(scans))
    hashes = [_path(folder, "documents", index) for index in slices]
    marks = [_path(folder, "drop-documents", index) for index in slices]
    for path, scan in zip(marks, scans, strict=True):
        _write_blank(path, scan.documents)
    mark_repeats(hashes, marks, DUPLICATE, held)
    if options.near_duplicates is not None:
        _mark_near_duplicates(folder, marks, options.near_duplicates, held)
    files = [[path] for path in marks]
    if options.paragraphs:
        # Only now: the first of equal paragraphs must not be in a document that is left out.
        paragraph_marks = [_path(folder, "drop-paragraphs", index) for index in slices]
        for index, path in enumerate(paragraph_marks):
            spread(marks[index], _path(folder, "lines", index), path)
        paragraph_hashes = [_path(folder, "paragraphs", index) for index in slices]
        mark_repeats(paragraph_hashes, paragraph_marks, DUPLICATE, held)
        files = [list(pair) for pair in zip(marks, paragraph_marks, strict=True)]
    counts = sum(map(_count_marks, marks), Counter[int]())
    return Duplicates(
        options=asdict(options),
        documents=counts.total(),
        duplicate_documents=counts[DUPLICATE],
        near_duplicates=counts[NEAR_DUPLICATE],
        duplicate_paragraphs=sum(
            _count_marks(path)[DUPLICATE] for _, *paragraphs in files for path in paragraphs
        ),
        files=[[finish(path) for path in paths] for paths in files],
    )


def _mark_near_duplicates(folder: Path, marks: list[Path], threshold: float, held: Held) -> None:
    def signatures() -> Iterator[tuple[Place, np.ndarray]]:
        for index, path in enumerate(marks):
            with path.open("rb") as of_slice, _path(folder, "signatures", index).open("rb") as file:
                for document, mark in enumerate(iter(lambda: of_slice.read(1), b"")):
                    signature = file.read(SIGNATURE_BYTES)
                    if mark[0] == KEPT:
                        yield (index, document), np.frombuffer(signature, "<u4")

    def signature_at(place: Place) -> np.ndarray:
        index, document = place
        with _path(folder, "signatures", index).open("rb") as file:
            file.seek(document * SIGNATURE_BYTES)
            return np.frombuffer(file.read(SIGNATURE_BYTES), "<u4")

    found = find_near_duplicates(signatures(), signature_at, threshold)
    for index, places in groupby(found, key=lambda place: place[0]):
        numbers = np.array([document for _, document in places])
        write_marks(marks[index], numbers, NEAR_DUPLICATE, held)


def spread(marks: Path, lines: Path, target: Path) -> None:
    """Writes a byte for each paragraph: 0, or that its document is left out."""
    file = AtomicFile(target)
    try:
        with marks.open("rb") as of_documents, lines.open("rb") as numbers:
            while mark := of_documents.read(1):
                left_out = OF_LEFT_OUT_DOCUMENT if mark[0] != KEPT else KEPT
                file.stream.write(bytes([left_out]) * int.from_bytes(numbers.read(4), "little"))
        file.commit()
    finally:
        file.discard()


def _write_blank(path: Path, size: int) -> None:
    """Writes zeros, so that a full disk is noticed here and not when the file is mapped."""
    with path.open("wb") as file:
        for start in range(0, size, _BYTES_AT_ONCE):
            file.write(bytes(min(_BYTES_AT_ONCE, size - start)))


def _count_marks(path: Path) -> Counter[int]:
    counts: Counter[int] = Counter()
    with path.open("rb") as file:
        while marks := file.read(_BYTES_AT_ONCE):
            counts.update(marks)
    return counts


def finish(path: Path) -> DropFile:
    """Puts a file safely on disk and says what is in it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return DropFile(file=path.name, bytes=file.tell(), sha256=sha256)


def _kinds(options: DuplicateOptions) -> list[str]:
    """The files of a scanned slice."""
    return [
        "documents",
        *(["paragraphs", "lines"] if options.paragraphs else []),
        *(["signatures"] if options.near_duplicates is not None else []),
    ]


def _size(kind: str, scan: SliceScan) -> int:
    """Bytes of a file of a scanned slice."""
    if kind == "paragraphs":
        return scan.paragraphs * HASH_BYTES
    return (
        scan.documents * {"documents": HASH_BYTES, "lines": 4, "signatures": SIGNATURE_BYTES}[kind]
    )


def _path(folder: Path, kind: str, index: int) -> Path:
    return folder / f"{kind}-{slice_name(index)}.bin"


def _scan_path(folder: Path, index: int) -> Path:
    return folder / f"scan-{slice_name(index)}.json"
