"""The scan of one slice for duplicates: the only part of the search that reads text."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from electra_cli.corpus.duplicates.hashes import HASH_BYTES, HashWriter
from electra_cli.corpus.duplicates.near import SIGNATURE_BYTES, Signer
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.reading.faults import Document
from electra_cli.files.atomic import AtomicFile, atomic_write_text
from electra_cli.files.layout import slice_name
from electra_cli.files.record import Record

# Of the files of a scan and of all that is made of them on the way to the outcome.
SCAN_VERSION = 2

LINES_BYTES = 4
_RECORD_BYTES = {
    "documents": HASH_BYTES,
    "paragraphs": HASH_BYTES,
    "lines": LINES_BYTES,
    "signatures": SIGNATURE_BYTES,
}


class SliceScan(Record):
    """What was scanned of a slice; stored beside its hashes, after them.

    Attributes:
      format_version: Of this record and of the files.
      options: Of the scan.
      documents: How many.
      paragraphs: How many; 0 where they were not asked for.
    """

    format_version: int = SCAN_VERSION
    options: dict[str, Any]
    documents: int
    paragraphs: int


def scan_slice(
    documents: Iterable[Document], index: int, *, folder: Path, options: DuplicateOptions
) -> SliceScan:
    """Hashes the documents of one slice, unless it has been done.

    Args:
      documents: In order, as they are going to be prepared; not read if there is nothing to do.
      index: The slice.
      folder: Existing folder of the search; the processes that scan share it.
      options: What to look for.

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
            file = AtomicFile(scanned_path(folder, kind, index))
            stack.callback(file.discard)
            return file

        files = {kind: new(kind) for kind in _kinds(options)}
        document_hashes = HashWriter(files["documents"])
        paragraph_hashes = HashWriter(files["paragraphs"]) if options.paragraphs else None
        for document in documents:
            document_hashes.add("\n".join(document))
            if paragraph_hashes:
                for line in document:
                    paragraph_hashes.add(line)
                files["lines"].stream.write(len(document).to_bytes(LINES_BYTES, "little"))
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
    atomic_write_text(scan_path(folder, index), record.model_dump_json(indent=1) + "\n")
    return record


def finished_scan(folder: Path, index: int, options: DuplicateOptions) -> SliceScan | None:
    """The record of a slice that is scanned with these options, or None."""
    try:
        record = SliceScan.model_validate_json(scan_path(folder, index).read_text("utf-8"))
        kinds = _kinds(options)
        sizes = [scanned_path(folder, kind, index).stat().st_size for kind in kinds]
    except (OSError, ValueError):
        return None
    same = (record.format_version, record.options) == (SCAN_VERSION, asdict(options))
    counts = [record.paragraphs if kind == "paragraphs" else record.documents for kind in kinds]
    expected = [count * _RECORD_BYTES[kind] for kind, count in zip(kinds, counts, strict=True)]
    return record if same and sizes == expected else None


def scanned_path(folder: Path, kind: str, index: int) -> Path:
    """A file of a scanned slice: hashes of `documents` or `paragraphs`, `lines` or `signatures`."""
    return folder / f"{kind}-{slice_name(index)}.bin"


def remove_scans(folder: Path) -> None:
    """Removes all that was scanned."""
    for pattern in ("scan-*.json", *(f"{kind}-*.bin" for kind in _RECORD_BYTES)):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _kinds(options: DuplicateOptions) -> list[str]:
    """The files of a scanned slice."""
    return [
        "documents",
        *(["paragraphs", "lines"] if options.paragraphs else []),
        *(["signatures"] if options.near_duplicates is not None else []),
    ]


def scan_path(folder: Path, index: int) -> Path:
    """Where the record of a scanned slice is; it is written after its files."""
    return folder / f"scan-{slice_name(index)}.json"
