"""`electra prepare-data`: from raw text to a prepared folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from electra_cli.cli.options import Debug, Json, Quiet
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.corpus.preparation.engines.schedule import Engine, Schedule, Stage
from electra_cli.corpus.reading.naming import FormatOption
from electra_cli.corpus.reading.passed_over import describe_kinds
from electra_cli.corpus.reading.tables.separators import Quoting
from electra_cli.corpus.reading.texts import Documents
from electra_cli.corpus.shards.kinds import Packing
from electra_cli.errors import ConfigError, counted
from electra_cli.files.layout import MANIFEST_FILE
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
_STAGES: dict[str, Stage] = {
    "--plan-only": "plan",
    "--task-index": "task",
    "--finalize": "finalize",
}

# What is shown only where it happened.
_RARE = {
    "near_duplicates": "near duplicates, left out",
    "duplicate_documents": "duplicate documents, left out",
    "duplicate_paragraphs": "duplicate paragraphs, left out",
    "bad_json_lines": "bad JSON lines, skipped",
    "bad_rows": "bad rows, skipped",
    "invalid_utf8": "invalid UTF-8, skipped",
    "too_long": "too long, skipped",
    "unreadable_files": "files no reader knows, left out",
    "damaged_inputs": "damaged inputs, read in part",
    "cut_documents": "cuts through large documents",
    "composed_documents": "changed by NFC",
    "short_documents": "short documents, left out",
    "replacement_documents": "with U+FFFD, left out",
    "control_documents": "with control characters, left out",
    "empty_documents": "documents without a token",
}

EXAMPLES = """
electra prepare-data texts/ --output data --vocab-size 8192
electra prepare-data 'corpus/*.jsonl.gz' --text-field body --output data
electra prepare-data texts/ --output data --packing full --no-strip-accents
"""
LESS_MEMORY = (
    "run the same command again with --workers 1, which keeps what is finished; --near-duplicates "
    "takes memory for each document, and with another --output a smaller --max-document-bytes "
    "takes less for long ones"
)


# fmt: off
def command(
    inputs: Annotated[list[Path], typer.Argument(
        metavar="INPUT...", show_default=False,
        help="Files, folders, quoted patterns like 'texts/*.txt', or - for standard input. Text, "
        "Markdown, JSON lines, CSV, TSV, Parquet and Arrow, also compressed (gz, zst, xz, bz2) and "
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
        help="Share of the documents to train it on.")] = 1.0,
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
        "--workers", rich_help_panel=_WORK, show_default="all cores", help="Processes.")] = None,
    plan_only: Annotated[bool, typer.Option(
        "--plan-only", rich_help_panel=_WORK,
        help="Only train the vocabulary and look for duplicates, so that tasks can follow.")
    ] = False,
    task_index: Annotated[int | None, typer.Option(
        "--task-index", rich_help_panel=_WORK, show_default="all",
        help="Do one of --num-tasks parts, counted from 0: one job of a cluster.")] = None,
    num_tasks: Annotated[int | None, typer.Option(
        "--num-tasks", rich_help_panel=_WORK, show_default=False,
        help="How many parts there are.")] = None,
    finalize: Annotated[bool, typer.Option(
        "--finalize", rich_help_panel=_WORK,
        help="Finish what the tasks have prepared.")] = False,
    engine: Annotated[Engine, typer.Option(
        "--engine", rich_help_panel=_WORK,
        help="beam: as a pipeline of Apache Beam. Needs pip install '.[beam]'.")] = "local",
    beam_arg: Annotated[list[str] | None, typer.Option(
        "--beam-arg", metavar="ARG", rich_help_panel=_WORK, show_default=False,
        help="An option of the Beam pipeline, as in --beam-arg=--runner=FlinkRunner; may be "
        "repeated.")] = None,
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
    is_given = (plan_only, task_index is not None, finalize)
    stages = _given(dict(zip(_STAGES, is_given, strict=True)))
    if len(stages) > 1:
        raise ConfigError(f"{' and '.join(stages)} exclude each other", hint="give one at a time")
    if (task_index is None) != (num_tasks is None) and not finalize:
        raise ConfigError("--task-index and --num-tasks belong together", hint="give both")
    schedule = Schedule(
        workers=workers,
        stage=_STAGES[stages[0]] if stages else "all",
        task_index=task_index or 0,
        num_tasks=1 if num_tasks is None else num_tasks,
        engine=engine,
        beam_args=tuple(beam_arg or ()),
    )
    from electra_cli.corpus.duplicates.outcome import DuplicateOptions
    from electra_cli.corpus.preparation.options import PrepareOptions
    from electra_cli.corpus.preparation.pipeline import PreparedData, prepare_data
    from electra_cli.corpus.reading.cleaning import Cleaning
    from electra_cli.corpus.reading.tables.separators import TableLayout
    from electra_cli.corpus.subword.brought import bring
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
    for note in brought.notes if brought else ():
        terminal.note(note)
    with StopSignals(), terminal.progress("preparing", 1.0) as bar:
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
        _print_table(terminal, result)
        for warning in result.warnings:
            terminal.warn(warning)
        fields = _json_fields(result)
    else:
        _print_stage(terminal, schedule, result)
        fields = _stage_fields(schedule, result)
    if as_json:
        emit_json({"command": "prepare-data", **fields})


def _given(options: dict[str, bool]) -> list[str]:
    return [name for name, is_given in options.items() if is_given]


def _print_table(terminal: Terminal, result: PreparedData) -> None:
    """The figures of a prepared folder."""
    from electra_cli.corpus.wordpiece.identity import KIND_NAMES
    from electra_cli.metrics.baselines import Baselines

    manifest, counts = result.manifest, result.manifest.counts
    guesses = Baselines.of(manifest)
    kind = "" if manifest.tokenizer else f", {KIND_NAMES[manifest.vocab.kind]}"
    rows = [
        ("documents", f"{counts.documents:,}"),
        ("tokens", f"{counts.tokens:,}"),
        ("tokens a word", f"{counts.tokens / counts.words:.2f}"),
        ("vocabulary", f"{manifest.vocab.size:,}{kind}"),
        ("case and accents", str(manifest.tokenizer or f"as {manifest.vocab.file} says")),
        ("unknown rate", f"{counts.unknown_rate:.3%}"),
        ("examples, training", f"{manifest.examples:,}"),
        ("examples, validation", f"{manifest.validation_examples:,}"),
        ("padding share", f"{manifest.padding_share:.1%}"),
        ("loss of a uniform guess", f"{guesses.uniform:.2f} nats"),
    ]
    if guesses.unigram is not None:
        rows.append(("loss of guessing by frequency", f"{guesses.unigram:.2f} nats"))
    if counts.dropped_tokens:
        rows.append(("tokens trimmed", f"{counts.dropped_tokens / counts.tokens:.1%}"))
    for name, label in _RARE.items():
        if count := getattr(counts, name):
            rows.append((label, f"{count:,}"))
    if counts.passed_over:
        rows.append(("files passed over", describe_kinds(counts.passed_over)))
    speed = result.megabytes_per_second
    rows.append(("MB/s", f"{speed:.1f}" if speed else "done before"))
    terminal.table(f"prepared data in {manifest.folder}", ["figure", "value"], rows)


def _print_stage(terminal: Terminal, schedule: Schedule, result: StageDone) -> None:
    """What was done of several stages, and what comes next."""
    if schedule.stage == "plan":
        terminal.result(
            f"planned {counted(result.slices, 'slice')} in {result.output}; now run the tasks: the "
            "same command with --task-index I --num-tasks N instead of --plan-only"
        )
    else:
        terminal.result(
            f"task {schedule.task_index} of {schedule.num_tasks}: prepared {result.slices_done:,} "
            f"of {counted(result.slices, 'slice')}; when all tasks are done, run the same command "
            "with --finalize"
        )


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
