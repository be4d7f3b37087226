"""`electra prepare-data`: from raw text to a prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from electra_cli.cli.console import Terminal, emit_json
from electra_cli.cli.options import Debug, Json, Quiet
from electra_cli.corpus.formats import FormatOption
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from electra_cli.corpus.pipeline import PreparedData

DEFAULT_VOCAB_SIZE = 30522


# fmt: off
def prepare_data_command(
    inputs: Annotated[list[Path], typer.Argument(
        metavar="INPUT...", show_default=False,
        help="Files, folders, quoted patterns like 'texts/*.txt', or - for standard input. Text, "
        "Markdown, JSON lines, CSV, TSV, Parquet and Arrow, also compressed (gz, zst, xz, bz2) and "
        "in tar or zip.")],
    output: Annotated[Path, typer.Option(
        "--output", metavar="DIR", show_default=False, help="Folder to write; it must be new or "
        "empty, or hold the unfinished output of the same command.")],
    vocab_size: Annotated[int | None, typer.Option(
        "--vocab-size", show_default=str(DEFAULT_VOCAB_SIZE),
        help="Word pieces of the vocabulary to train.")] = None,
    vocab: Annotated[Path | None, typer.Option(
        "--vocab", metavar="FILE", show_default="train one",
        help="Use this vocabulary, one word piece a line.")] = None,
    lowercase: Annotated[bool, typer.Option(
        "--lowercase/--no-lowercase", help="Lower-case the text.")] = True,
    strip_accents: Annotated[bool, typer.Option(
        "--strip-accents/--no-strip-accents",
        help="Remove accents, whether or not case is kept.")] = True,
    sequence_length: Annotated[int, typer.Option(
        "--sequence-length", help="Tokens an example, [CLS] and [SEP] included.")] = 128,
    workers: Annotated[int | None, typer.Option(
        "--workers", show_default="all cores",
        help="Processes; the output is the same for any number.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the packing.")] = 0,
    validation_fraction: Annotated[float, typer.Option(
        "--validation-fraction",
        help="Share of documents to hold out for validation, at least one.")] = 0.005,
    format: Annotated[FormatOption, typer.Option(
        "--format", help="Read every file as this format, whatever its content and name say.")
    ] = "auto",
    text_field: Annotated[str, typer.Option(
        "--text-field",
        help="Field of a JSON line, or column of a table, that holds the text.")] = "text",
    on_error: Annotated[Literal["fail", "skip"], typer.Option(
        "--on-error",
        help="What to do with a bad JSON line, a bad row or invalid UTF-8; what is skipped is "
        "counted."),
    ] = "fail",
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn raw text into shards to pretrain on.

    Trains a vocabulary, tokenizes, packs examples and holds out documents for validation. The
    same command again goes on where it was interrupted.
    """
    # fmt: on
    if vocab is not None and vocab_size is not None:
        raise ConfigError(
            f"--vocab and --vocab-size exclude each other: {vocab} has the size it has",
            hint="leave one of them out",
        )
    from electra_cli.corpus.pipeline import prepare_data

    terminal = Terminal(quiet=quiet)
    with terminal.progress("preparing", 1.0) as bar:
        result = prepare_data(
            inputs=inputs,
            output=output,
            vocab=vocab,
            vocab_size=DEFAULT_VOCAB_SIZE if vocab_size is None else vocab_size,
            lowercase=lowercase,
            strip_accents=strip_accents,
            sequence_length=sequence_length,
            workers=workers,
            seed=seed,
            validation_fraction=validation_fraction,
            format=format,
            text_field=text_field,
            on_error=on_error,
            on_progress=bar.update,
        )
    _print_table(terminal, result)
    if as_json:
        emit_json({"command": "prepare-data", **_json_fields(result)})


def _print_table(terminal: Terminal, result: PreparedData) -> None:
    rows = [
        ("documents", f"{result.documents:,}"),
        ("tokens", f"{result.tokens:,}"),
        ("tokens a word", f"{result.tokens / result.words:.2f}"),
        ("vocabulary", f"{result.vocab_size:,}"),
        ("unknown rate", f"{result.unknown_rate:.3%}"),
        ("examples, training", f"{result.examples:,}"),
        ("examples, validation", f"{result.validation_examples:,}"),
        ("padding share", f"{result.padding_share:.1%}"),
    ]
    if result.dropped_tokens:
        rows.append(("tokens trimmed", f"{result.dropped_tokens / result.tokens:.1%}"))
    if result.bad_json_lines:
        rows.append(("bad JSON lines, skipped", f"{result.bad_json_lines:,}"))
    if result.bad_rows:
        rows.append(("bad rows, skipped", f"{result.bad_rows:,}"))
    if result.invalid_utf8:
        rows.append(("invalid UTF-8, skipped", f"{result.invalid_utf8:,}"))
    speed = result.megabytes_per_second
    rows.append(("MB/s", f"{speed:.1f}" if speed else "done before"))
    terminal.table(f"prepared data in {result.output}", ["figure", "value"], rows)


def _json_fields(result: PreparedData) -> dict[str, str | int | float]:
    return {
        "output": str(result.output),
        "documents": result.documents,
        "tokens": result.tokens,
        "examples": result.examples,
        "validation_examples": result.validation_examples,
        "shards": result.shards,
        "vocab_size": result.vocab_size,
        "unknown_rate": result.unknown_rate,
        "padding_share": result.padding_share,
        "input_bytes": result.input_bytes,
        "seconds": result.seconds,
        "megabytes_per_second": result.megabytes_per_second,
        "manifest": str(result.manifest),
    }
