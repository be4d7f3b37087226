"""What a run has cost, computed by hand."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.schema import Config
from electra_cli.metrics.names import FLOPS
from electra_cli.report.cost import read_goodput
from electra_cli.report.plots.along import flops_a_step
from electra_cli.report.record import read_record
from electra_cli.runs.changes import record_changes
from electra_cli.runs.run_folder import RunFolder
from tests.report.made_run import OLD_RUN, Line, end, made_run, start, train, validation

# 32 rows in half a second: 64 a second.
WHOLE = [start(0, 1000.0), train(100, 1060.0), train(1000, 1550.0), end(1000, 1600.0)]
KILLED = [
    start(0, 0.0), train(100, 50.0), train(400, 200.0),
    start(300, 1000.0), train(600, 1150.0, sequences_per_second=32.0), end(600, 1200.0, "SIGTERM"),
    start(600, 2000.0), train(1000, 2250.0), end(1000, 2300.0),
]  # fmt: skip
TWICE = [start(0, 0.0), train(400, 200.0), start(300, 300.0), train(500, 500.0), start(100, 600.0)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            WHOLE,
            {"steps": 1000, "training_seconds": 500.0, "process_seconds": 600.0,
             "elapsed_seconds": 600.0, "restarts": 0, "lost_steps": 0, "goodput": 500 / 600,
             "productive_seconds": 500.0, "seconds_to_first_step": None},
        ),
        (
            # 300 steps of the first process are kept, 300 of 1 s of the second, 400 of the third.
            KILLED,
            {"training_seconds": 700.0, "process_seconds": 700.0, "elapsed_seconds": 2300.0,
             "restarts": 2, "lost_steps": 100, "goodput": 650 / 700},
        ),
        # Their commands began before: 10 s the first, 30 s the second, with the evaluation of 8 s
        # and 99 steps of half a second between its first step and its first line.
        (
            [start(0, 10.0, began=0.0), train(400, 210.0), end(400, 220.0, "SIGTERM"),
             start(400, 330.0, began=300.0), train(500, 400.0), train(1000, 650.0)],
            {"training_seconds": 500.0, "productive_seconds": 500.0, "process_seconds": 570.0,
             "elapsed_seconds": 650.0, "restarts": 1, "goodput": 500 / 570,
             "seconds_to_first_step": 100.0 - 99 * 0.5},
        ),
        # The last process goes on from a step that both others have passed.
        (TWICE, {"restarts": 2, "lost_steps": 500, "goodput": 50 / 400}),
        # It has not logged a step yet.
        ([start(0, 5.0)], {"steps": 0, "training_seconds": 0.0, "restarts": 0, "goodput": None}),
        # The first steps are those of an electra that wrote no such lines.
        ([train(100, 1.0), start(100, 2.0), train(200, 60.0)],
         {"steps": 200, "process_seconds": None, "restarts": None, "goodput": None}),
        # A clock that was set back in between.
        ([start(0, 500.0), train(100, 400.0), end(100, 450.0)],
         {"process_seconds": 0.0, "goodput": None}),
        # Times and speeds that no clock can have.
        ([start(0, -1e308), train(100, 1e308, sequences_per_second=1e-320), end(100, 1e308)],
         {"training_seconds": 0.0, "process_seconds": 0.0, "elapsed_seconds": 0.0}),
        # Numbers that are none.
        ([start(0, 0.0), train(100, 50.0) | {"sequences_per_second": None, "time": "soon"}],
         {"steps": 100, "training_seconds": 0.0, "process_seconds": 0.0}),
    ],
    ids=["whole", "killed", "began", "twice", "begun", "older", "clock", "no time", "no numbers"],
)  # fmt: skip
def test_times(tmp_path: Path, lines: list[Line], expected: dict[str, Any]) -> None:
    cost = asdict(read_record(made_run(tmp_path / "run", lines)).cost)
    assert {key: cost[key] for key in expected} == pytest.approx(expected)


def test_a_result_has_the_goodput_of_the_report(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", KILLED)
    train = Config().replaced({"train.batch_size": 32}).train
    found = vars(read_goodput(run, train, step=1000))
    assert asdict(read_record(run).cost).items() >= found.items()
    assert (found["restarts"], found["lost_steps"], found["productive_seconds"]) == (2, 100, 650.0)
    run.metrics.unlink()
    run.metrics.mkdir()
    unknown = read_goodput(run, train, step=1000)
    assert set(vars(unknown).values()) == {None}


def test_what_the_weights_have_seen(tmp_path: Path) -> None:
    record = read_record(made_run(tmp_path / "run", [validation(50, 1.0)]))
    cost, examples = record.cost, record.manifest.examples if record.manifest else 0
    assert (cost.steps, cost.planned_steps, cost.rows) == (50, 1000, 50 * 32)
    assert cost.tokens == 50 * 32 * 128
    assert cost.flops == cost.tokens * cost.flops_per_token
    assert cost.epochs == pytest.approx(1600 / examples)


def test_what_was_changed_on_the_way_counts_from_there_on(tmp_path: Path) -> None:
    """In the lines too, and no tick of steps says what they cost."""
    lines = [validation(30, 1.0), validation(50, 2.0)]
    run = made_run(tmp_path / "run", lines)
    usual = read_record(run)
    assert flops_a_step(usual) == pytest.approx(usual.cost.flops / 50)
    record_changes([("train.batch_size", 16, 32)], step=40, path=run.changes)
    changed = read_record(run)
    assert changed.cost.rows == 40 * 16 + 10 * 32
    found, before = (r.history.validation.column(FLOPS) for r in (changed, usual))
    assert found == pytest.approx(before * [0.5, 0.6])
    assert changed.cost.flops == found[-1]
    assert flops_a_step(changed) is None


def test_an_older_run_does_not_tell() -> None:
    cost = read_record(RunFolder(OLD_RUN)).cost
    assert (cost.steps, cost.rows, cost.tokens) == (2, 8, 128)
    times = (cost.training_seconds, cost.process_seconds, cost.restarts, cost.goodput)
    assert times == (None,) * 4
