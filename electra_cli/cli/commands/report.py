"""electra report: a run that explains itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.errors import ConfigError, OutputError
from electra_cli.training.loop.signals import StopSignals

if TYPE_CHECKING:
    from electra_cli.report.record import RunRecord
    from electra_cli.runs.run_folder import RunFolder

EXAMPLES = """
electra report runs/mine
electra report runs/mine runs/other --x flops --output both.html
electra report runs/mine finetuned/cola --output report.md
"""
LESS_MEMORY = "name fewer runs, or end other programs"


# fmt: off
def command(
    runs: Annotated[list[Path], typer.Argument(
        metavar="RUN...", show_default=False, autocompletion=completion.checkpoints,
        help="Run folders; several are laid over each other. Folders of `electra finetune` add "
        "their scores; those in a run folder and beside it are found.")],
    output: Annotated[Path | None, typer.Option(
        show_default="RUN/report.html, or report.html for several runs",
        help="File to write, .html, .png, .svg or .md; over an earlier report only.")] = None,
    format: Annotated[Literal["html", "png", "svg", "md"] | None, typer.Option(
        "--format", show_default="by the ending of --output, else html",
        help="html: all in one page. png, svg: the curves. md: words and tables.")] = None,
    along: Annotated[Literal["steps", "flops", "hours"], typer.Option(
        "--x", help="What the horizontal axis of curves has: hours are those in updates.",
    )] = "steps",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say of runs whether they are good, what is wrong, and what to do next, in one page."""
    # fmt: on
    del debug
    from electra_cli.report.downstream import read_downstream
    from electra_cli.report.record import read_records
    from electra_cli.report.verdict import sentences_of
    from electra_cli.report.write import REPORT, check_output, format_of, write_report

    terminal = Terminal(quiet=quiet, stdout=not as_json)
    with StopSignals():  # there is nothing to save: each ends the command where it is
        kind = format_of(output, format)
        folders, finetuned = _named(runs, terminal)
        if (path := output) is None:
            path = (folders[0].path if len(folders) == 1 else Path()) / f"{REPORT}.{kind}"
        check_output(path)
        records = read_records(folders)
        downstream, remarks = read_downstream(finetuned, records)
        for text in [*(text for record in records for text in record.remarks), *remarks]:
            terminal.warn(text)
        try:
            write_report(records, downstream, path, kind, along)
        except OutputError as error:
            if output is not None:
                raise
            hint = f"add --output {REPORT}.{kind}, or a place that can be written"
            raise OutputError(error.message, hint=hint) from error
    for record in records:
        terminal.result(" ".join(sentences_of(record)))
    terminal.note(f"report: {path}")
    if as_json:
        emit_json(
            {
                "command": "report",
                "output": str(path),
                "format": kind,
                "runs": [_as_json(record, sentences_of(record)) for record in records],
                "downstream": [asdict(scores) for scores in downstream],
                "warnings": [*(t for record in records for t in record.remarks), *remarks],
            }
        )


def _as_json(record: RunRecord, sentences: list[str]) -> dict[str, Any]:
    return {
        "run": record.place,
        "name": record.name,
        "state": record.state,
        "step": record.step,
        "verdict": sentences,
        "findings": [finding.as_json() for finding in record.findings],
        "cost": asdict(record.cost),
    }


def _named(paths: list[Path], terminal: Terminal) -> tuple[list[RunFolder], list[Path]]:
    """Tells runs from fine-tunings; of these alone, the runs that they stand on are meant.

    Raises:
      InputMissingError, DataError: There is none of both at a path.
      ConfigError: The run of a fine-tuning is not there.
    """
    from electra_cli.report.downstream import run_of
    from electra_cli.runs.named import find_run
    from electra_cli.sources.finetuned import is_finetuned

    finetuned = [path for path in paths if is_finetuned(path)]
    runs = [find_run(path) for path in paths if path not in finetuned]
    if not runs:
        for path in finetuned:
            if (run := run_of(path)) is None:
                raise ConfigError(
                    f"{path} is a fine-tuning, and the run that it stands on is not there",
                    hint=f"name a run too: electra report RUN {path}",
                )
            runs.append(run)
    once: dict[Path, RunFolder] = {}
    for run in runs:
        once.setdefault(run.path.resolve(), run)
    if len(once) < len(paths) - len(finetuned):
        terminal.note("a run that is named twice is shown once")
    return list(once.values()), finetuned
