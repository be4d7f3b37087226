"""The documents of a slice as all that follows sees them: read, cleaned, without duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from electra_cli.corpus.duplicates.outcome import (
    DUPLICATES_FILE,
    Duplicates,
    without_duplicates,
)
from electra_cli.corpus.preparation.plan import Slice
from electra_cli.corpus.reading.faults import Document
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar, read_documents

_PROGRESS_BYTES = 256 * 1024


def slice_documents(
    slice_: Slice,
    read: ReadSoFar,
    *,
    options: ReadOptions,
    duplicates: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[Document]:
    """Reads the documents of a slice in order.

    Args:
      slice_: What to read.
      read: Is brought up to date before each document is handed out.
      options: How to read.
      duplicates: Folder of the finished pass that looked for them; None keeps everything.
      on_progress: Is told bytes on disk as they are done.

    Raises:
      DataError: Bad input.
      InputMissingError: An input is gone.
    """
    documents = _read(slice_, read, options, on_progress)
    if duplicates is None:
        return documents
    path = duplicates / DUPLICATES_FILE
    return without_duplicates(
        documents,
        slice_.index,
        folder=duplicates,
        duplicates=_outcome(path, path.stat().st_mtime_ns),
        counts=read.counts,
    )


@lru_cache(maxsize=1)
def _outcome(path: Path, modified: int) -> Duplicates:
    """Kept between the slices of a process; it lists the files of all slices."""
    del modified
    return Duplicates.model_validate_json(path.read_text(encoding="utf-8"))


def _read(
    slice_: Slice,
    read: ReadSoFar,
    options: ReadOptions,
    on_progress: Callable[[int], None] | None,
) -> Iterator[Document]:
    reported = 0
    for part in slice_.parts:
        for document in read_documents(part, options=options, read=read):
            if on_progress and read.disk_bytes - reported >= _PROGRESS_BYTES:
                on_progress(read.disk_bytes - reported)
                reported = read.disk_bytes
            yield document
    if on_progress:
        on_progress(read.disk_bytes - reported)
