"""Text made for tests, the same every time."""

from __future__ import annotations

import json
import random
from pathlib import Path

from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.readers import ReadOptions, ReadSoFar, read_documents
from electra_cli.corpus.reading.tables.separators import TableLayout
from electra_cli.corpus.shards.counts import Counts

_TEXT = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an
they which one you were all her she there would their we him been has when who will river mountain
window kitchen winter summer machine language token sentence grammar history
"""
_WORDS = _TEXT.split()


def make_documents(count: int, *, seed: int = 0, lines: int = 6) -> list[str]:
    """Different documents of a few lines each."""
    rng = random.Random(seed)
    return [
        "\n".join(
            [f"document {number}"]
            + [" ".join(rng.choices(_WORDS, k=rng.randint(3, 30))) for _ in range(lines)]
        )
        for number in range(count)
    ]


def write_text(path: Path, documents: list[str]) -> Path:
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return path


def write_jsonl(path: Path, documents: list[str]) -> Path:
    lines = [json.dumps({"text": document}) for document in documents]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_vocabulary(path: Path) -> Path:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, "document"]
    digits = [prefix + digit for prefix in ("", "##") for digit in "0123456789"]
    path.write_text("\n".join(pieces + digits) + "\n", encoding="utf-8")
    return path


def read_so_far(
    *inputs: Path,
    on_error: str = "fail",
    text_field: str = "text",
    format: str = "auto",
    slice_bytes: int = 2**20,
    cleaning: Cleaning | None = None,
    documents: str = "blank-line",
    **layout: str,
) -> tuple[list[list[str]], ReadSoFar]:
    """All documents of the inputs through the parts of their plan, and what was met."""
    left_out = LeftOut(skips=on_error == "skip")
    files = find_inputs(inputs, exclude=inputs[0].parent / "o", format=format, left_out=left_out)
    plan = make_plan(
        files,
        options={},
        text_field=text_field,
        slice_bytes=slice_bytes,
        documents=documents,
        left_out=left_out,
    )
    options = ReadOptions(
        text_field=text_field,
        format=format,
        on_error=on_error,
        cleaning=cleaning or Cleaning(),
        layout=TableLayout(**layout),
        documents=documents,
    )
    read = ReadSoFar()
    read.counts.unreadable_files = len(left_out.unreadable)
    read.counts.damaged_inputs = len(left_out.damaged)
    found = [
        document
        for slice_ in plan.slices
        for part in slice_.parts
        for document in read_documents(part, options=options, read=read)
    ]
    assert read.disk_bytes == sum(slice_.disk_bytes for slice_ in plan.slices)
    return found, read


def read_inputs(*inputs: Path, **options) -> tuple[list[list[str]], Counts]:
    """The same with the counts alone."""
    documents, read = read_so_far(*inputs, **options)
    return documents, read.counts


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names_in(folder: Path) -> list[str]:
    """Names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())
