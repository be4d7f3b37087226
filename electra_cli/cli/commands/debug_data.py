"""`electra debug data`: what a prepared folder holds, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.errors import counted

if TYPE_CHECKING:
    from electra_cli.config.choices import Masking
    from electra_cli.corpus.shards.held_out import HeldOutTokens
    from electra_cli.corpus.shards.inspect import Figures
    from electra_cli.corpus.shards.manifest import Manifest
    from electra_cli.corpus.shards.verify import Verified

_BARS, _BAR_WIDTH = 16, 32
_COUNTED = (
    "examples", "validation_examples", "word_pieces", "unknown_tokens", "words", "padding",
)  # fmt: skip
_SHARES = ("unknown_rate", "tokens_a_word", "padding_share")
_UNKNOWN_WORDS = 20

_BASELINES = {
    "tokens": "held-out tokens",
    "distinct_tokens": "  different ones",
    "unigram_entropy": "loss of guessing by frequency",
}

# What is shown only where it happened.
_LEFT_OUT = {
    "dropped_tokens": "tokens trimmed",
    "duplicate_documents": "duplicate documents left out",
    "near_duplicates": "near duplicates left out",
    "duplicate_paragraphs": "duplicate paragraphs left out",
}


EXAMPLES = """
electra debug data data
electra debug data data --verify --examples 0
electra debug data data --masking span --examples 5
"""
LESS_MEMORY = "--examples 0 shows no rows masked, which is what starts TensorFlow"


# fmt: off
def command(
    folder: Annotated[Path, typer.Argument(
        metavar="DIR", autocompletion=completion.prepared, show_default=False,
        help="Folder that `electra prepare-data` wrote.")],
    verify: Annotated[bool, typer.Option(
        "--verify", help="First check every file against the manifest, by checksum too.")] = False,
    examples: Annotated[int, typer.Option(
        "--examples", min=0, help="Training rows to show, as they are and masked; 0 starts no "
        "TensorFlow.")] = 3,
    masking: Annotated[Literal["token", "whole-word", "span"], typer.Option(
        "--masking", help="How these are masked: see objective.masking.")] = "token",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show what prepared data holds: lengths, padding, unknown words, duplicates, examples."""
    # fmt: on
    del debug
    from electra_cli.corpus.shards.inspect import inspect_data
    from electra_cli.corpus.shards.manifest import load_manifest

    terminal = Terminal(quiet=quiet, stdout=not as_json)
    verified = _verify(folder, terminal) if verify else None
    manifest = load_manifest(folder)
    with terminal.progress("counting", sum(shard.rows for shard in manifest.shards)) as bar:
        figures = inspect_data(manifest, on_progress=bar.update)
    _print_figures(terminal, manifest, figures)
    print_lengths(terminal, figures.lengths)
    _print_unknown_words(terminal, manifest.unknown_words)
    shown = _examples(manifest, examples, masking) if examples else []
    for example in shown:
        terminal.result(f"training row {example['example_index']:,}\n  {example['text']}")
        terminal.result(f"masked\n  {example['masked']}")
    if as_json:
        emit_json(_json(manifest, figures, shown, verified))


def _verify(folder: Path, terminal: Terminal) -> Verified:
    """Reads every file; all faults are shown and the first of them are the error."""
    from electra_cli.corpus.shards.manifest import mismatch, read_manifest
    from electra_cli.corpus.shards.verify import verify_data

    manifest = read_manifest(folder)
    with terminal.progress("verifying", sum(shard.bytes for shard in manifest.shards)) as bar:
        verified = verify_data(manifest, on_progress=bar.update)
    for fault in verified.faults:
        terminal.warn(fault)
    if verified.faults:
        raise mismatch(manifest, verified.faults)
    terminal.result(
        f"verified {counted(verified.files, 'file')}, {counted(verified.bytes, 'byte')}: all as "
        "the manifest says"
    )
    return verified


def _examples(manifest: Manifest, count: int, masking: Masking) -> list[dict[str, Any]]:
    from electra_cli.environment import prepare_tensorflow

    prepare_tensorflow()
    from electra_cli.inputs.preview import preview_rows

    special = manifest.special_ids
    tokenizer = manifest.text_ids()

    def shown(ids: list[int]) -> str:
        """Text as the model sees it: words joined again, special tokens shown, no padding."""
        return tokenizer.text_of([number for number in ids if number != special.pad])

    return [
        {"example_index": index, "text": shown(ids), "masked": shown(masked_ids)}
        for index, ids, masked_ids in preview_rows(manifest, count, masking=masking)
    ]


def _print_figures(terminal: Terminal, manifest: Manifest, figures: Figures) -> None:
    counts = manifest.counts
    duplicates = figures.duplicates / max(1, figures.examples)
    overlap = figures.validation_in_train / max(1, figures.validation_examples)
    both = {
        "rows, training": (manifest.examples, figures.examples),
        "rows, validation": (manifest.validation_examples, figures.validation_examples),
        "tokens": (counts.tokens, figures.word_pieces),
        "[UNK]": (counts.unknown_tokens, figures.unknown_tokens),
    }
    unknown_rate = counts.unknown_tokens / max(1, counts.tokens)
    tokens_a_word = counts.tokens / max(1, counts.words)
    rows = [
        ("documents", f"{counts.documents:,}", ""),
        ("documents, validation", f"{counts.validation_documents:,}", ""),
        *((name, f"{told:,}", f"{found:,}") for name, (told, found) in both.items()),
        ("unknown rate", f"{unknown_rate:.3%}", f"{figures.unknown_rate:.3%}"),
        ("tokens a word", f"{tokens_a_word:.2f}", f"{figures.tokens_a_word:.2f}"),
        ("padding", f"{counts.padding:,}", f"{figures.padding:,}"),
        ("padding share", "", f"{figures.padding_share:.1%}"),
        ("training rows twice", "", f"{figures.duplicates:,} ({duplicates:.2%})"),
        ("validation rows in training", "", f"{figures.validation_in_train:,} ({overlap:.2%})"),
    ]
    told, found = manifest.baselines, figures.baselines
    rows += [
        (label, _shown(told, name), _shown(found, name)) for name, label in _BASELINES.items()
    ]
    for name, label in _LEFT_OUT.items():
        if count := getattr(counts, name):
            rows.append((label, f"{count:,}", ""))
    pieces = "word piece" if manifest.vocab.kind == "wordpiece" else "token"
    title = (
        f"{manifest.folder}: rows of {manifest.sequence_length}, "
        f"{counted(manifest.vocab.size, pieces)}, {counted(len(manifest.shards), 'shard')}"
    )
    terminal.table(title, ("figure", "manifest", "in the rows"), rows)


def _shown(baselines: HeldOutTokens | None, name: str) -> str:
    """One of their figures; of none, nothing."""
    value = getattr(baselines, name, "")
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if value else ""


def _print_unknown_words(terminal: Terminal, words: dict[str, int]) -> None:
    rows = [(word, f"{count:,}") for word, count in list(words.items())[:_UNKNOWN_WORDS]]
    if rows:
        terminal.table("Most frequent words with [UNK]", ("word", "times"), rows)


def print_lengths(terminal: Terminal, lengths: list[int]) -> None:
    """The histogram: at most 16 bars, each of the same width in tokens; the longest is full."""
    width = -(-(len(lengths) - 1) // _BARS)
    bins = {first: sum(lengths[first : first + width]) for first in range(1, len(lengths), width)}
    rows = []
    for first, count in bins.items():
        last = min(first + width, len(lengths)) - 1
        bar = "█" * round(_BAR_WIDTH * count / max(1, *bins.values()))
        rows.append((f"{first} … {last}", f"{count:,}", bar.ljust(_BAR_WIDTH, "░")))
    terminal.table("Row lengths", ("tokens", "rows", ""), rows)


def _json(
    manifest: Manifest,
    figures: Figures,
    shown: list[dict[str, Any]],
    verified: Verified | None,
) -> dict[str, Any]:
    counts = manifest.counts
    return {
        "command": "debug data",
        "data": str(manifest.folder),
        "sequence_length": manifest.sequence_length,
        "vocab_size": manifest.vocab.size,
        "shards": len(manifest.shards),
        "manifest": {
            "documents": counts.documents,
            "validation_documents": counts.validation_documents,
            "examples": manifest.examples,
            "validation_examples": manifest.validation_examples,
            "word_pieces": counts.tokens,
            "unknown_tokens": counts.unknown_tokens,
            "words": counts.words,
            "padding": counts.padding,
            **{name: getattr(counts, name) for name in _LEFT_OUT},
            "baselines": manifest.baselines and manifest.baselines.model_dump(),
        },
        "counted": {
            **{name: getattr(figures, name) for name in _COUNTED},
            "baselines": figures.baselines and figures.baselines.model_dump(),
        },
        **{name: getattr(figures, name) for name in _SHARES},
        "lengths": [
            {"tokens": tokens, "rows": rows} for tokens, rows in enumerate(figures.lengths) if rows
        ],
        "duplicates": figures.duplicates,
        "validation_in_train": figures.validation_in_train,
        "unknown_words": list(manifest.unknown_words.items()),
        "examples": shown,
        "verified_files": verified and verified.files,
        "verified_bytes": verified and verified.bytes,
    }
