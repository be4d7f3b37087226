"""What a page is tested with: runs with everything in them, and with hostile texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from electra_cli.config.load import load_config
from electra_cli.health.finding import Finding
from electra_cli.objectives import objective_of
from electra_cli.report.downstream import Downstream, DownstreamColumn
from electra_cli.report.record import RunRecord, read_records
from electra_cli.runs.held_out import HeldOut, Sentence, Token
from tests.report import made_run

SCRIPT = "<script>document.title='owned'</script>"
IMAGE = '"><img src="http://example.invalid/x.png">'
_LONG = "averylongtokenthathasnospaceinit" * 4


def record_of(folder: Path, preset: str = "tiny", settings: Sequence[str] = ()) -> RunRecord:
    """A finished run without findings and sentences."""
    groups = objective_of(load_config(preset=preset, environment={}).config.objective).breakdowns
    last = made_run.validation(1000, 2000.0, **dict.fromkeys(groups, 0.25))
    lines = [*made_run.finished(), last]
    run = made_run.made_run(folder, lines, preset=preset, settings=settings)
    return read_records([run])[0]


def full_record(folder: Path) -> RunRecord:
    """A run that has all that a page shows, with markup in every text."""
    tokens = [
        Token("[CLS]", False, None, 0.0),
        Token(SCRIPT, True, IMAGE, 0.9),
        Token("##ing", False, None, 0.3),
        Token("fox", True, "fox", 0.1),
        Token(_LONG, True, _LONG, 0.8),
        *[Token("word", False, None, share / 40) for share in range(40)],
        Token("[SEP]", False, None, None),
    ]
    times = ((10, 20), (30, 40), (50, 60), (70, 80), (90, None))
    findings = [
        Finding("loss-spike", SCRIPT, since, until, IMAGE, SCRIPT, "type `electra <b>`; then wait")
        for since, until in times
    ]
    findings.append(Finding("throughput-fell", "It was slow", 5, 9, "slow", "slow", "wait."))
    record = record_of(folder)
    return replace(
        record,
        name=SCRIPT,
        place=IMAGE,
        config=record.config.model_copy(update={"preset": SCRIPT}),
        findings=findings,
        held_out=HeldOut(1000, [Sentence(row, tokens) for row in range(10)]),
        changes=[(10, "train.steps", SCRIPT, 1000)],
        commands=[f"electra prepare-data {SCRIPT} --output {'long/' * 60}"],
        remarks=[IMAGE],
    )


def scores(name: str) -> Downstream:
    """Scores of a fine-tuning."""
    columns = [
        DownstreamColumn(SCRIPT, "model", 1000, 0.75, 0.01, 3, 0),
        DownstreamColumn("random weights", "random", None, None, None, 1, 1),
    ]
    return Downstream(IMAGE, name, SCRIPT, "f1", 0.5, columns, [SCRIPT])
