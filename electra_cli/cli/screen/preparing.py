"""What `electra prepare-data` shows once it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from electra_cli.cli.screen.console import Terminal
from electra_cli.corpus.preparation.engines.schedule import STAGES, Schedule, Stage
from electra_cli.errors import counted

if TYPE_CHECKING:
    from electra_cli.corpus.preparation.result import PreparedData, StageDone

# What a stage has done to slices.
_DID = {"scan": "scanned", "vocabulary": "counted the words of", "prepare": "prepared"}

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


def print_table(terminal: Terminal, result: PreparedData) -> None:
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
        from electra_cli.corpus.reading.passed_over import describe_kinds

        rows.append(("files passed over", describe_kinds(counts.passed_over)))
    speed = result.megabytes_per_second
    rows.append(("MB/s", f"{speed:.1f}" if speed else "done before"))
    terminal.table(f"prepared data in {manifest.folder}", ["figure", "value"], rows)


def print_stage(
    terminal: Terminal, schedule: Schedule, result: StageDone, needed: list[Stage]
) -> None:
    """What was done of a stage, and what comes next."""
    stage = schedule.stage
    following = next(s for s in needed if STAGES.index(s) > STAGES.index(stage))
    if stage not in needed:
        did = "has nothing to do"
        if stage == "vocabulary" and "scan" in needed:  # its first half was done
            did = "has compared what --stage scan found, and there are no words to count"
        terminal.result(f"--stage {stage} {did}; go on with --stage {following}")
        return
    task = f", task {schedule.task_index} of {schedule.num_tasks}" if schedule.num_tasks > 1 else ""
    slices = f"{result.slices_done:,} of {counted(result.slices, 'slice')}"
    terminal.result(
        f"{stage}{task}: {_DID[stage]} {slices}; when all tasks are done, "
        f"run the same command with --stage {following}"
    )
