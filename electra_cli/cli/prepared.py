"""What `electra prepare-data` shows when it is done, to people and to scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from electra_cli.cli.console import Terminal
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.reading.passed_over import describe_kinds

if TYPE_CHECKING:
    from electra_cli.corpus.preparation.result import PreparedData, StageDone

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
    counts = result.counts
    rows = [
        ("documents", f"{counts.documents:,}"),
        ("tokens", f"{counts.tokens:,}"),
        ("tokens a word", f"{counts.tokens / counts.words:.2f}"),
        ("vocabulary", f"{result.vocab_size:,}"),
        ("case and accents", str(result.tokenizer)),
        ("unknown rate", f"{result.unknown_rate:.3%}"),
        ("examples, training", f"{result.examples:,}"),
        ("examples, validation", f"{result.validation_examples:,}"),
        ("padding share", f"{result.padding_share:.1%}"),
    ]
    if counts.dropped_tokens:
        rows.append(("tokens trimmed", f"{counts.dropped_tokens / counts.tokens:.1%}"))
    for name, label in _RARE.items():
        if count := getattr(counts, name):
            rows.append((label, f"{count:,}"))
    if counts.passed_over:
        rows.append(("files passed over", describe_kinds(counts.passed_over)))
    speed = result.megabytes_per_second
    rows.append(("MB/s", f"{speed:.1f}" if speed else "done before"))
    terminal.table(f"prepared data in {result.output}", ["figure", "value"], rows)


def print_stage(terminal: Terminal, schedule: Schedule, result: StageDone) -> None:
    """What was done of several stages, and what comes next."""
    if schedule.stage == "plan":
        terminal.result(
            f"planned {result.slices:,} slices in {result.output}; now run the tasks: the same "
            "command with --task-index I --num-tasks N instead of --plan-only"
        )
    else:
        terminal.result(
            f"task {schedule.task_index} of {schedule.num_tasks}: prepared {result.slices_done:,} "
            f"of {result.slices:,} slices; when all tasks are done, run the same command with "
            "--finalize"
        )


def json_fields(result: PreparedData) -> dict[str, Any]:
    """The object for `--json`, of a prepared folder."""
    return {
        "output": str(result.output),
        "examples": result.examples,
        "validation_examples": result.validation_examples,
        "shards": result.shards,
        "vocab_size": result.vocab_size,
        "lowercase": result.tokenizer.lowercase,
        "strip_accents": result.tokenizer.strip_accents,
        "unknown_rate": result.unknown_rate,
        "padding_share": result.padding_share,
        "warnings": result.warnings,
        **result.counts.model_dump(),
        "seconds": result.seconds,
        "megabytes_per_second": result.megabytes_per_second,
        "manifest": str(result.manifest),
    }


def stage_fields(schedule: Schedule, result: StageDone) -> dict[str, Any]:
    """The same of one of several stages."""
    return {
        "output": str(result.output),
        "stage": schedule.stage,
        "slices": result.slices,
        "slices_done": result.slices_done,
        "input_bytes": result.input_bytes,
        "seconds": result.seconds,
    }
