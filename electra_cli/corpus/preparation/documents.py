"""The documents of a slice as all that follows sees them: read, cleaned, without duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from electra_cli.corpus.duplicates.outcome import without_duplicates
from electra_cli.corpus.duplicates.scan import finished_scan, scan_path, scan_slice
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan import Report, Slice
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar, read_documents
from electra_cli.corpus.step import Step

_PROGRESS_BYTES = 256 * 1024


def slice_documents(
    slice_: Slice,
    read: ReadSoFar,
    *,
    options: ReadOptions,
    duplicates: Path | None = None,
    report: Report = lambda file, disk_bytes: None,
) -> Iterator[Document]:
    """Reads the documents of a slice in order.

    Args:
      slice_: What to read.
      read: Gains what is met, before each document is handed out.
      options: How to read.
      duplicates: Folder of the finished pass that looked for them; None keeps everything.
      report: Receives the file that is read next, and the bytes on disk that are done.

    Raises:
      DataError: Bad input.
      InputMissingError: An input is gone.
    """
    documents = _read(slice_, read, options, report)
    if duplicates is None:
        return documents
    return without_duplicates(documents, slice_.index, folder=duplicates, counts=read.counts)


def scan_step(slice_: Slice, folder: Path, options: PrepareOptions) -> Step:
    """Hashes the documents of a slice, to look for duplicates."""
    work = partial(_scan, slice_, folder, options)
    is_whole = partial(_is_scanned, slice_.index, folder, options)
    return Step(f"slice {slice_.index}", scan_path(folder, slice_.index), work, is_whole)


def _scan(slice_: Slice, folder: Path, options: PrepareOptions, report: Report) -> None:
    assert options.duplicates is not None
    documents = slice_documents(slice_, ReadSoFar(), options=options.read, report=report)
    scan_slice(documents, slice_.index, folder=folder, options=options.duplicates)


def _is_scanned(index: int, folder: Path, options: PrepareOptions) -> bool:
    assert options.duplicates is not None
    return finished_scan(folder, index, options.duplicates) is not None


def _read(
    slice_: Slice, read: ReadSoFar, options: ReadOptions, report: Report
) -> Iterator[Document]:
    reported = 0
    for part in slice_.parts:
        report(part.file.label, 0)
        for document in read_documents(part, options=options, read=read):
            if read.disk_bytes - reported >= _PROGRESS_BYTES:
                report(part.file.label, read.disk_bytes - reported)
                reported = read.disk_bytes
            yield document
    report(part.file.label, read.disk_bytes - reported)
