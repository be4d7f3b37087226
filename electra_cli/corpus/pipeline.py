"""From text to a prepared folder: plan, vocabulary, slices, manifest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from electra_cli.corpus.atomic import atomic_write_text, locked_folder
from electra_cli.corpus.discovery import InputFile, find_inputs
from electra_cli.corpus.formats import FormatOption
from electra_cli.corpus.manifest import (
    Manifest,
    TokenizerOptions,
    VocabularyFile,
    load_manifest,
    write_manifest,
)
from electra_cli.corpus.output import (
    MANIFEST_FILE,
    VOCABULARY_FILE,
    any_slice_finished,
    claim_output_folder,
    discard_claim,
    make_output_folder,
)
from electra_cli.corpus.plan import SLICE_BYTES, Plan, make_plan
from electra_cli.corpus.readers import OnError, ReadCounts, ReadOptions, read_documents
from electra_cli.corpus.result import PreparedData, prepared_data
from electra_cli.corpus.shards import Shard, Split, ids_dtype
from electra_cli.corpus.slices import HASH_BITS, Counts, SliceRecord, SliceSettings, finished_record
from electra_cli.corpus.standard_input import standard_input
from electra_cli.corpus.vocabulary import (
    load_vocabulary,
    special_ids,
    vocabulary_sha256,
    vocabulary_text,
)
from electra_cli.corpus.vocabulary_training import train_vocabulary
from electra_cli.corpus.workers import prepare_slices
from electra_cli.errors import ConfigError, DataError

SHORTEST_SEQUENCE = 8
VOCAB_SIZES = (100, 1_000_000)

# Share of the whole time that training a vocabulary takes, for the progress bar.
_VOCABULARY_SHARE = 0.4

OnProgress = Callable[[float, str], None]


def prepare_data(
    *,
    inputs: Sequence[Path],
    output: Path,
    vocab: Path | None = None,
    vocab_size: int = 30522,
    lowercase: bool = True,
    strip_accents: bool = True,
    sequence_length: int = 128,
    workers: int | None = None,
    seed: int = 0,
    validation_fraction: float = 0.005,
    format: FormatOption = "auto",
    text_field: str = "text",
    on_error: OnError = "fail",
    on_progress: OnProgress | None = None,
    slice_bytes: int = SLICE_BYTES,
) -> PreparedData:
    """Prepares text for pretraining.

    The shards and the manifest have the same bytes for any number of workers. The same call again
    resumes an unfinished folder and returns at once on a finished one.

    Args:
      inputs: Files, folders, patterns, and `-` for standard input.
      output: Folder to make, or to go on with.
      vocab: Vocabulary to use; without it one is trained.
      vocab_size: Word pieces to train.
      lowercase: Lower-case the text.
      strip_accents: Remove accents.
      sequence_length: Ids a row.
      workers: Processes; by default one a core.
      seed: Of the packing.
      validation_fraction: Share of documents to hold out, by a hash of the text; at least one is.
      format: Of every file; by default found by the content.
      text_field: Field of a JSON line, or column of a table, that holds the text.
      on_error: Whether bad input ends the preparation, or is counted and skipped.
      on_progress: Is told the fraction done and what is being done.
      slice_bytes: Uncompressed bytes a slice; part of the plan.

    Raises:
      ConfigError: An option has an impossible value.
      InputMissingError: An input or the vocabulary is not there.
      DataError: Bad or empty input, or an unusable vocabulary.
      OutputError: The output cannot be written, or holds something else.
      TryAgainError: Another process is writing to the output, or a worker was killed.
    """
    started = time.monotonic()
    workers = _cores() if workers is None else workers
    _check_options(vocab_size, sequence_length, workers, seed, validation_fraction)
    read = ReadOptions(text_field=text_field, format=format, on_error=on_error)
    with standard_input(inputs, output) as stdin:
        return _prepare(
            find_inputs(inputs, exclude=output, format=format, standard_input=stdin),
            read,
            output=output,
            vocab=vocab,
            vocab_size=vocab_size,
            lowercase=lowercase,
            strip_accents=strip_accents,
            sequence_length=sequence_length,
            workers=workers,
            seed=seed,
            validation_fraction=validation_fraction,
            report=on_progress or (lambda fraction, stage: None),
            slice_bytes=slice_bytes,
            started=started,
        )


def _prepare(
    files: list[InputFile],
    read: ReadOptions,
    *,
    output: Path,
    vocab: Path | None,
    vocab_size: int,
    lowercase: bool,
    strip_accents: bool,
    sequence_length: int,
    workers: int,
    seed: int,
    validation_fraction: float,
    report: OnProgress,
    slice_bytes: int,
    started: float,
) -> PreparedData:
    """`prepare_data` for files that were found."""
    brought = load_vocabulary(vocab) if vocab else None
    options = {
        "vocab": vocabulary_sha256(brought) if brought else None,
        "vocab_size": None if brought else vocab_size,
        "lowercase": lowercase,
        "strip_accents": strip_accents,
        "sequence_length": sequence_length,
        "seed": seed,
        "validation_fraction": validation_fraction,
        "format": read.format,
        "text_field": read.text_field,
        # --on-error is missing on purpose: what is finished under one is the same under the other.
        "slice_bytes": slice_bytes,
    }
    plan = make_plan(files, options=options, text_field=read.text_field, slice_bytes=slice_bytes)
    vocab_path = output / VOCABULARY_FILE
    make_output_folder(output)
    with locked_folder(output):
        claim_output_folder(output, plan)
        if (output / MANIFEST_FILE).is_file():
            return prepared_data(load_manifest(output), started, prepared_bytes=0)
        try:
            if vocab_path.is_file():
                tokens = load_vocabulary(vocab_path)
            else:
                tokens = brought or train_vocabulary(
                    _all_text(plan, read, report),
                    vocab_size,
                    lowercase=lowercase,
                    strip_accents=strip_accents,
                )
                atomic_write_text(vocab_path, vocabulary_text(tokens))
            settings = SliceSettings(
                vocab_path=vocab_path,
                vocab_sha256=vocabulary_sha256(tokens),
                lowercase=lowercase,
                strip_accents=strip_accents,
                sequence_length=sequence_length,
                seed=seed,
                slice_bytes=slice_bytes,
                read=read,
            )
            records, prepared_bytes = _run_slices(
                plan, settings, output, workers, validation_fraction, report
            )
        except DataError:
            if not any_slice_finished(output):
                discard_claim(output)
            raise
        try:
            manifest = _manifest(records, tokens, settings, validation_fraction)
        except DataError:
            discard_claim(output)
            raise
        write_manifest(output, manifest)
        return prepared_data(load_manifest(output), started, prepared_bytes)


def _cores() -> int:
    """Cores that this process may use, which on shared machines are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_options(
    vocab_size: int, sequence_length: int, workers: int, seed: int, validation_fraction: float
) -> None:
    if not VOCAB_SIZES[0] <= vocab_size <= VOCAB_SIZES[1]:
        raise ConfigError(
            f"--vocab-size is {vocab_size}; it must be {VOCAB_SIZES[0]} to {VOCAB_SIZES[1]}"
        )
    if not SHORTEST_SEQUENCE <= sequence_length <= 2**16:
        raise ConfigError(
            f"--sequence-length is {sequence_length}; it must be {SHORTEST_SEQUENCE} to {2**16}"
        )
    if workers < 1:
        raise ConfigError(f"--workers is {workers}; it must be at least 1")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"--seed is {seed}; it must be 0 or more, and below 2^63")
    if not 0 < validation_fraction < 1:
        raise ConfigError(
            f"--validation-fraction is {validation_fraction}; it must lie between 0 and 1",
            hint="0.005 holds out one document in 200",
        )


def _all_text(plan: Plan, options: ReadOptions, report: OnProgress) -> Iterator[str]:
    """The text of all documents; bad input is counted when the slices are prepared."""
    read = ReadCounts()
    reported = 0.0
    for slice_ in plan.slices:
        for part in slice_.parts:
            for document in read_documents(part, options=options, counts=read):
                share = read.disk_bytes / plan.disk_bytes
                if share - reported >= 0.001:
                    reported = share
                    report(_VOCABULARY_SHARE * share, "training the vocabulary")
                yield "\n".join(document)


def _run_slices(
    plan: Plan,
    settings: SliceSettings,
    output: Path,
    workers: int,
    validation_fraction: float,
    report: OnProgress,
) -> tuple[list[SliceRecord], int]:
    """Prepares what is not prepared yet; returns all records and the bytes prepared now."""
    before = _VOCABULARY_SHARE if plan.options["vocab"] is None else 0.0
    limit = int(validation_fraction * 2**HASH_BITS)
    todo = [slice_ for slice_ in plan.slices if finished_record(output, slice_.index) is None]
    finished_bytes = plan.disk_bytes - sum(slice_.disk_bytes for slice_ in todo)

    def report_bytes(done: int) -> None:
        share = (finished_bytes + done) / plan.disk_bytes
        report(before + (1 - before) * min(share, 1.0), "tokenizing and packing")

    def prepare(indices: list[int], held_out_below: int, on_bytes: Callable[[int], None]) -> None:
        prepare_slices(
            [plan.slices[index] for index in indices],
            settings=settings,
            output=output,
            held_out_below=held_out_below,
            workers=workers,
            on_progress=on_bytes,
        )

    prepare([slice_.index for slice_ in todo], limit, report_bytes)
    records = _records(plan, output)
    # At least one document is held out. If the fraction has caught none, the one with the lowest
    # hash is, with all its copies; only slices that hold it are prepared again.
    hashes = [record.lowest_hash for record in records if record.lowest_hash is not None]
    if hashes and int(min(hashes), 16) >= limit:
        limit = int(min(hashes), 16) + 1
        affected = [
            record.index
            for record in records
            if record.lowest_hash == min(hashes) and record.held_out_below != f"{limit:x}"
        ]
        prepare(affected, limit, lambda done: None)
        records = _records(plan, output)
    prepared = {slice_.index for slice_ in todo}
    return records, sum(r.counts.input_bytes for r in records if r.index in prepared)


def _records(plan: Plan, output: Path) -> list[SliceRecord]:
    records = [finished_record(output, slice_.index) for slice_ in plan.slices]
    return [record for record in records if record is not None]


def _manifest(
    records: list[SliceRecord],
    tokens: list[str],
    settings: SliceSettings,
    validation_fraction: float,
) -> Manifest:
    counts = Counts()
    for record in records:
        counts.add(record.counts)
    shards = [shard for record in records for shard in record.shards]
    rows = {split: _rows(shards, split) for split in ("train", "validation")}
    if not counts.documents:
        skipped = counts.bad_json_lines + counts.bad_rows + counts.invalid_utf8
        raise DataError(
            f"nothing to prepare: no document has a token ({counts.empty_documents} empty, "
            f"{skipped} skipped)",
            hint="give an input with text; without --on-error skip the first bad line is named",
        )
    if not rows["train"]:
        raise DataError(
            f"only one document ({counts.documents} with copies): it is held out for validation "
            "and nothing is left to train on",
            hint="give more documents; in .txt a blank line separates them",
        )
    return Manifest(
        sequence_length=settings.sequence_length,
        dtype=ids_dtype(len(tokens)),
        vocab=VocabularyFile(
            file=VOCABULARY_FILE, size=len(tokens), sha256=vocabulary_sha256(tokens)
        ),
        tokenizer=TokenizerOptions(
            lowercase=settings.lowercase, strip_accents=settings.strip_accents
        ),
        special_ids=special_ids(tokens),
        seed=settings.seed,
        validation_fraction=validation_fraction,
        counts=counts,
        examples=rows["train"],
        validation_examples=rows["validation"],
        shards=sorted(shards, key=lambda shard: (shard.split, shard.file)),
    )


def _rows(shards: Sequence[Shard], split: Split) -> int:
    return sum(shard.rows for shard in shards if shard.split == split)
