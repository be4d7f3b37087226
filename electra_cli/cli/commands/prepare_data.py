"""`electra prepare-data`: from raw text to a prepared folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from electra_cli.cli import remote
from electra_cli.cli.options import Debug, Json, Quiet
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.preparing import print_stage, print_table
from electra_cli.corpus.preparation.engines.schedule import (
    Engine,
    Schedule,
    check_tasks,
    stages_of,
)
from electra_cli.corpus.reading.naming import FormatOption
from electra_cli.corpus.reading.tables.separators import Quoting
from electra_cli.corpus.reading.texts import Documents
from electra_cli.corpus.shards.kinds import Packing
from electra_cli.errors import ConfigError
from electra_cli.files.layout import MANIFEST_FILE
from electra_cli.files.remote.place import place
from electra_cli.training.loop.signals import StopSignals

if TYPE_CHECKING:
    from electra_cli.corpus.preparation.result import PreparedData, StageDone

DEFAULT_VOCAB_SIZE = 30522
DEFAULT_MAX_DOCUMENT_BYTES = 4 * 2**20

_CLEANING = "Cleaning and duplicates"
_VOCABULARY = "Vocabulary"
_ROWS = "Rows"
_CASING_DEFAULT = "yes, or as what lies beside --vocab says"
_WORK = "Who does the work (changes no byte of the result)"

EXAMPLES = """
electra prepare-data texts/ --output data --vocab-size 8192
electra prepare-data 'corpus/*.jsonl.gz' --text-field body --output data
electra prepare-data texts/ --output data --packing full --no-strip-accents
"""
LESS_MEMORY = (
    "run the same command again with --workers 1, which keeps what is finished; with another "
    "--output a smaller --max-document-bytes takes less for long documents"
)


# fmt: off
def command(
    inputs: Annotated[list[str], typer.Argument(
        metavar="INPUT...", show_default=False, parser=place,
        help="Files, folders, quoted patterns like 'texts/*.txt', the same as URLs of s3://, "
        "gs://, az://, hf:// and https://, or - for standard input. Text, Markdown, JSON lines, "
        "CSV, TSV, Parquet and Arrow, also compressed (gz, zst, xz, bz2) and "
        "in tar or zip.")],
    output: Annotated[Path, typer.Option(
        "--output", metavar="DIR", show_default=False, help="Folder to write; it must be new or "
        "empty, or hold the unfinished output of the same command.")],
    format: Annotated[FormatOption, typer.Option(
        "--format", help="Read every file as this format, whatever its content and name say.")
    ] = "auto",
    text_field: Annotated[str, typer.Option(
        "--text-field",
        help="Field of a JSON line, or column of a table, that holds the text.")] = "text",
    documents: Annotated[Documents, typer.Option(
        "--documents",
        help="What ends a document of plain text. Markdown is always one document a file.")
    ] = "blank-line",
    separator: Annotated[str | None, typer.Option(
        "--separator", metavar="CHARACTER", show_default="as the header shows",
        help="What separates the columns of CSV and TSV, as ';' or tab.")] = None,
    quoting: Annotated[Quoting, typer.Option(
        "--quoting",
        help="Whether a field of CSV or TSV may stand in quotes, and hold line ends there. auto: "
        "as csv, but none where tabs separate fields.")] = "auto",
    on_error: Annotated[Literal["fail", "skip"], typer.Option(
        "--on-error",
        help="What to do with a bad JSON line, a bad row, invalid UTF-8, and a file that is damaged"
        " or no text; what is skipped is counted.")] = "fail",
    min_length: Annotated[int, typer.Option(
        "--min-length", rich_help_panel=_CLEANING,
        help="Leave out documents of fewer characters.")] = 0,
    max_document_bytes: Annotated[int, typer.Option(
        "--max-document-bytes", rich_help_panel=_CLEANING,
        help="Cut longer documents into several. A JSON line or a row that has four times as much "
        "is bad input.")] = DEFAULT_MAX_DOCUMENT_BYTES,
    nfc: Annotated[bool, typer.Option(
        "--nfc", rich_help_panel=_CLEANING, help="Compose characters (Unicode NFC).")] = False,
    max_replacement_share: Annotated[float | None, typer.Option(
        "--max-replacement-share", rich_help_panel=_CLEANING, show_default="any",
        help="Leave out documents of which more characters are U+FFFD.")] = None,
    max_control_share: Annotated[float | None, typer.Option(
        "--max-control-share", rich_help_panel=_CLEANING, show_default="any",
        help="Leave out documents of which more are control characters.")] = None,
    deduplicate: Annotated[Literal["none", "documents", "paragraphs"], typer.Option(
        "--deduplicate", rich_help_panel=_CLEANING,
        help="Leave out documents that repeat an earlier one, and with paragraphs also lines.")
    ] = "none",
    near_duplicates: Annotated[float | None, typer.Option(
        "--near-duplicates", metavar="SHARE", rich_help_panel=_CLEANING, show_default="no",
        help="Also leave out documents that share so much with an earlier one (Jaccard index of "
        "five-word sequences, by MinHash); 0.8 is usual. Needs pip install '.[near-duplicates]'.")
    ] = None,
    vocab: Annotated[Path | None, typer.Option(
        "--vocab", metavar="PATH", rich_help_panel=_VOCABULARY, show_default="train one",
        help="Use this vocabulary, one word piece a line, or a tokenizer.json of Hugging Face "
        "(WordPiece, BPE, Unigram), or the folder of one, also a prepared one. What lies beside it "
        "says whether case and accents matter.")
    ] = None,
    vocab_kind: Annotated[Literal["wordpiece", "bpe", "unigram"] | None, typer.Option(
        "--vocab-kind", rich_help_panel=_VOCABULARY, show_default="wordpiece",
        help="What to train. bpe and unigram need no spaces between words (Thai, Japanese) and "
        "keep case and accents unless they are asked not to.")] = None,
    vocab_size: Annotated[int | None, typer.Option(
        "--vocab-size", rich_help_panel=_VOCABULARY, show_default=str(DEFAULT_VOCAB_SIZE),
        help="Word pieces of the vocabulary to train.")] = None,
    vocab_sample: Annotated[float, typer.Option(
        "--vocab-sample", rich_help_panel=_VOCABULARY,
        help="Share of each slice to train it on: its first documents; no more is read.")] = 1.0,
    vocab_unused: Annotated[int, typer.Option(
        "--vocab-unused", rich_help_panel=_VOCABULARY,
        help="Slots [unused0], [unused1], … to keep free for tokens of later tasks.")] = 0,
    vocab_multiple_of: Annotated[int, typer.Option(
        "--vocab-multiple-of", rich_help_panel=_VOCABULARY,
        help="Round its size up to a multiple, with unused slots.")] = 1,
    vocab_alphabet: Annotated[int | None, typer.Option(
        "--vocab-alphabet", rich_help_panel=_VOCABULARY,
        show_default="half of the vocabulary, and what is free",
        help="Single characters to keep at most, the most frequent ones.")] = None,
    lowercase: Annotated[bool | None, typer.Option(
        "--lowercase/--no-lowercase", rich_help_panel=_VOCABULARY, show_default=_CASING_DEFAULT,
        help="Lower-case the text.")] = None,
    strip_accents: Annotated[bool | None, typer.Option(
        "--strip-accents/--no-strip-accents", rich_help_panel=_VOCABULARY,
        show_default=_CASING_DEFAULT, help="Remove accents, whether or not case is kept.")] = None,
    allow_unknown: Annotated[bool, typer.Option(
        "--allow-unknown", rich_help_panel=_VOCABULARY,
        help="Accept a text of which more than 30% is [UNK].")] = False,
    sequence_length: Annotated[int, typer.Option(
        "--sequence-length", rich_help_panel=_ROWS,
        help="Tokens of a row, [CLS] and [SEP] included.")] = 128,
    packing: Annotated[Packing, typer.Option(
        "--packing", rich_help_panel=_ROWS,
        help="reference: one or two segments of one document, some of them short. full: documents "
        "run on without padding, a [SEP] between them.")] = "reference",
    seed: Annotated[int, typer.Option(
        "--seed", rich_help_panel=_ROWS, help="Seed of the packing.")] = 0,
    validation_fraction: Annotated[float, typer.Option(
        "--validation-fraction", rich_help_panel=_ROWS,
        help="Share of documents to hold out for validation, at least one.")] = 0.005,
    workers: Annotated[int | None, typer.Option(
        "--workers", rich_help_panel=_WORK, show_default="all cores",
        help="Processes of --engine local.")] = None,
    stage: Annotated[Literal["scan", "vocabulary", "prepare", "finalize"] | None, typer.Option(
        "--stage", rich_help_panel=_WORK, show_default="all",
        help="Do one of these alone, in this order: scan looks for duplicates, vocabulary counts "
        "words, prepare makes the shards, finalize ends it. All but the last can be divided into "
        "tasks.")] = None,
    task_index: Annotated[int | None, typer.Option(
        "--task-index", rich_help_panel=_WORK, show_default=False,
        help="Do one of --num-tasks parts of a stage, counted from 0: one job of a cluster.")
    ] = None,
    num_tasks: Annotated[int | None, typer.Option(
        "--num-tasks", rich_help_panel=_WORK, show_default="1",
        help="How many parts there are.")] = None,
    engine: Annotated[Engine, typer.Option(
        "--engine", rich_help_panel=_WORK,
        help="Who runs the work: processes here, or a cluster of Dask, Beam or Spark. Needs pip "
        "install '.[dask]' and so on.")] = "local",
    engine_arg: Annotated[list[str] | None, typer.Option(
        "--engine-arg", metavar="KEY=VALUE", rich_help_panel=_WORK, show_default=False,
        help="What the engine is told, as scheduler=tcp://host:8786 of Dask, master=spark://host:"
        "7077 of Spark, runner=FlinkRunner of Beam; repeatable.")] = None,
    upload: Annotated[str | None, typer.Option(
        "--upload", metavar="URL", show_default=False,
        help="Copy what is finished to a folder of an object store, for `electra pretrain --data "
        "URL`; also that which was finished before.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn raw text into shards to pretrain on.

    Trains a vocabulary, tokenizes, packs examples and holds out documents for validation. The
    same command again goes on where it was interrupted.
    """
    # fmt: on
    trained = {
        "--vocab-kind": vocab_kind is not None,
        "--vocab-size": vocab_size is not None,
        "--vocab-sample": vocab_sample != 1.0,
        "--vocab-unused": vocab_unused != 0,
        "--vocab-multiple-of": vocab_multiple_of != 1,
        "--vocab-alphabet": vocab_alphabet is not None,
    }
    if vocab is not None and any(trained.values()):
        raise ConfigError(
            f"--vocab and {_given(trained)[0]} exclude each other: {vocab} is used as it is",
            hint="leave one of them out",
        )
    check_tasks(stage, task_index, num_tasks)
    schedule = Schedule(
        workers=workers,
        stage=stage or "all",
        task_index=task_index or 0,
        num_tasks=1 if num_tasks is None else num_tasks,
        engine=engine,
        engine_args=tuple(engine_arg or ()),
    )
    from electra_cli.corpus.duplicates.outcome import DuplicateOptions
    from electra_cli.corpus.preparation.options import PrepareOptions
    from electra_cli.corpus.preparation.pipeline import PreparedData, prepare_data
    from electra_cli.corpus.reading.cleaning import Cleaning
    from electra_cli.corpus.reading.tables.separators import TableLayout
    from electra_cli.corpus.subword.brought import bring
    from electra_cli.corpus.subword.open import content_sha256
    from electra_cli.corpus.wordpiece.identity import TokenizerOptions
    from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions

    brought = vocab and bring(vocab, lowercase=lowercase, strip_accents=strip_accents)
    kind = vocab_kind or "wordpiece"
    usual = kind == "wordpiece"  # what is done if neither an option nor a tokenizer says
    casing = TokenizerOptions(
        lowercase=usual if lowercase is None else lowercase,
        strip_accents=usual if strip_accents is None else strip_accents,
    )
    if brought:
        casing = brought.options or casing
    duplicates = None
    if deduplicate != "none" or near_duplicates is not None:
        duplicates = DuplicateOptions(
            paragraphs=deduplicate == "paragraphs", near_duplicates=near_duplicates
        )
    options = PrepareOptions(
        vocab=vocab,
        vocabulary=VocabularyOptions(
            kind=kind,
            size=DEFAULT_VOCAB_SIZE if vocab_size is None else vocab_size,
            sample=vocab_sample,
            unused=vocab_unused,
            multiple_of=vocab_multiple_of,
            alphabet_limit=vocab_alphabet,
            **casing.model_dump(),
        ),
        **casing.model_dump(),
        sequence_length=sequence_length,
        packing=packing,
        seed=seed,
        validation_fraction=validation_fraction,
        format=format,
        text_field=text_field,
        on_error=on_error,
        cleaning=Cleaning(
            min_length=min_length,
            max_document_bytes=max_document_bytes,
            nfc=nfc,
            max_replacement_share=max_replacement_share,
            max_control_share=max_control_share,
        ),
        duplicates=duplicates,
        allow_unknown=allow_unknown,
        layout=TableLayout(separator, quoting),
        documents=documents,
    )
    terminal = Terminal(quiet=quiet, stdout=not as_json)
    known: dict[str, object] = {"vocab.kind": kind}
    if brought:
        tokenizer = brought.tokenizer
        known = {"vocab.kind": tokenizer.kind, "vocab.sha256": content_sha256(tokenizer)}
    own_rules = brought.options is None if brought else not usual
    remote.check_upload(
        upload,
        output,
        sequence_length=sequence_length,
        packing=packing,
        seed=seed,
        validation_fraction=validation_fraction,
        **known,
        tokenizer=None if own_rules else casing,
    )
    for note in brought.notes if brought else ():
        terminal.note(note)
    with StopSignals():
        with terminal.progress("preparing", 1.0) as bar:
            result = prepare_data(
                inputs=inputs,
                output=output,
                options=options,
                schedule=schedule,
                on_progress=bar.update,
                on_note=terminal.note,
                on_warning=terminal.warn,
            )
        if isinstance(result, PreparedData):
            print_table(terminal, result)
            for warning in result.warnings:
                terminal.warn(warning)
            if upload is not None:
                remote.upload(upload, result.manifest, terminal)
    if isinstance(result, PreparedData):
        fields = _json_fields(result)
    else:
        needed = stages_of(duplicates=duplicates is not None, trains=vocab is None)
        print_stage(terminal, schedule, result, needed)
        fields = _stage_fields(schedule, result)
    if as_json:
        emit_json({"command": "prepare-data", **fields})


def _given(options: dict[str, bool]) -> list[str]:
    return [name for name, is_given in options.items() if is_given]


def _json_fields(result: PreparedData) -> dict[str, Any]:
    """The object for `--json`, of a prepared folder."""
    manifest, options = result.manifest, result.manifest.tokenizer
    return {
        "output": str(manifest.folder),
        "examples": manifest.examples,
        "validation_examples": manifest.validation_examples,
        "shards": len(manifest.shards),
        "vocab_size": manifest.vocab.size,
        "vocab_kind": manifest.vocab.kind,
        "lowercase": options and options.lowercase,
        "strip_accents": options and options.strip_accents,
        "unknown_rate": manifest.counts.unknown_rate,
        "padding_share": manifest.padding_share,
        "baselines": manifest.baselines and manifest.baselines.model_dump(),
        "warnings": result.warnings,
        **asdict(manifest.counts),
        "seconds": result.seconds,
        "megabytes_per_second": result.megabytes_per_second,
        "manifest": str(manifest.folder / MANIFEST_FILE),
    }


def _stage_fields(schedule: Schedule, result: StageDone) -> dict[str, Any]:
    """The same of one of several stages."""
    return {
        "output": str(result.output),
        "stage": schedule.stage,
        "slices": result.slices,
        "slices_done": result.slices_done,
        "input_bytes": result.input_bytes,
        "seconds": result.seconds,
    }
