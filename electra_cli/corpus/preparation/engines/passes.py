"""What is made of the whole text before its slices are prepared: duplicates and vocabulary.

Both are read by workers, as the slices are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from electra_cli.corpus.duplicates.outcome import load_duplicates
from electra_cli.corpus.duplicates.search import resolve, scan_slice
from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.engines.workers import Task, Workers
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.plan import Report, Slice
from electra_cli.corpus.reading.readers import ReadSoFar
from electra_cli.corpus.subword.training import train_tokenizer
from electra_cli.corpus.wordpiece.vocabulary import vocabulary_text
from electra_cli.corpus.wordpiece.vocabulary_training import train_vocabulary
from electra_cli.files.atomic import remove_temporaries

# Receives the fraction of the pass that is done, and what is being done.
OnProgress = Callable[[float, str], None]


def find_duplicates(
    slices: Sequence[Slice],
    folder: Path,
    options: PrepareOptions,
    *,
    workers: Workers,
    on_progress: OnProgress,
) -> None:
    """Finds the duplicates of all slices, unless that has been done.

    Args:
      slices: Of the plan.
      folder: For what is found.
      options: Some of what to look for.
      workers: Read the text.
      on_progress: Receives the fraction done.

    Raises:
      ElectraError: See `prepare_slices`.
      OSError: A file cannot be written.
    """
    assert options.duplicates is not None
    if load_duplicates(folder, len(slices), options.duplicates) is None:
        folder.mkdir(exist_ok=True)
        remove_temporaries(folder)
        total = sum(slice_.disk_bytes for slice_ in slices)
        tasks = deque(
            Task(f"slice {s.index}", s.label, partial(_scan, s, folder, options)) for s in slices
        )
        for _, result in workers.results(
            tasks, lambda done: on_progress(done / total, "looking for duplicates")
        ):
            if isinstance(result, Exception):
                raise result
    resolve(folder, len(slices), options=options.duplicates)


def _scan(slice_: Slice, folder: Path, options: PrepareOptions, report: Report) -> None:
    assert options.duplicates is not None
    documents = slice_documents(slice_, ReadSoFar(), options=options.read, report=report)
    scan_slice(documents, slice_.index, folder=folder, options=options.duplicates)


def train(
    slices: Sequence[Slice],
    duplicates: Path | None,
    options: PrepareOptions,
    *,
    workers: Workers,
    on_progress: OnProgress,
) -> bytes:
    """Trains a vocabulary on all slices, and returns the content of its file.

    Args:
      slices: Of the plan.
      duplicates: Where the duplicates were found that are left out; None keeps everything.
      options: How.
      workers: One of them reads the text.
      on_progress: Receives the fraction read, and then for how long pieces have been sought.

    Raises:
      ElectraError: See `prepare_slices`.
    """
    total = sum(slice_.disk_bytes for slice_ in slices)
    all_read: float | None = None

    def report(done: int) -> None:
        nonlocal all_read
        if done < total:
            on_progress(done / total, "training the vocabulary")
            return
        all_read = all_read or time.monotonic()
        on_progress(1.0, f"seeking word pieces, {time.monotonic() - all_read:.0f} s")

    work = partial(_train, slices, duplicates, options)
    content: bytes = workers.run(Task("the vocabulary", slices[0].label, work), report)
    return content


def _train(
    slices: Sequence[Slice], duplicates: Path | None, options: PrepareOptions, report: Report
) -> bytes:
    texts = (
        "\n".join(document)
        for slice_ in slices
        for document in slice_documents(
            slice_,
            ReadSoFar(),  # bad input is counted when the slices are prepared
            options=options.read,
            duplicates=duplicates,
            report=report,
        )
    )
    if options.vocabulary.kind != "wordpiece":
        return train_tokenizer(texts, options.vocabulary).encode("utf-8")
    return vocabulary_text(train_vocabulary(texts, options.vocabulary)).encode("utf-8")
