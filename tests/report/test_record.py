"""The record of a run: its state, its names, and what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from electra_cli.errors import DataError
from electra_cli.report.markdown import as_markdown
from electra_cli.report.record import State, read_record, read_records
from electra_cli.runs.lock import locked_run
from electra_cli.runs.run_folder import RunFolder
from tests.report.made_run import (
    OLD_RUN,
    Line,
    end,
    finished,
    made_run,
    start,
    train,
    validation,
)

PART = [start(0, 0.0), train(100, 50.0)]


@pytest.mark.parametrize(
    ("lines", "final_step", "locked", "state"),
    [
        ([], None, False, "begun"),
        ([], None, True, "running"),
        (PART, None, False, "stopped"),
        (PART, None, True, "running"),
        ([*PART, end(100, 60.0, "SIGTERM")], None, False, "stopped"),
        # Its own process writes a report at its end, and still holds the lock.
        ([*PART, end(100, 60.0)], 100, True, "stopped"),
        ([*PART, train(1000, 99.0), end(1000, 99.0)], 1000, True, "finished"),
        # An older electra wrote no such ends.
        ([train(100, 1.0)], 100, True, "stopped"),
        # It goes on after a --stop-at-step.
        ([*PART, end(100, 60.0), start(100, 70.0)], 100, True, "running"),
        # What it has trained since is not in the result.
        ([*finished(), start(1000, 5000.0), train(1100, 5050.0)], 1000, False, "stopped"),
        (finished(), 1000, False, "finished"),
        # Its result is damaged.
        (finished(), "1000", False, "finished"),
        (finished(), "null", False, "finished"),
        ([*PART, end(100, 60.0)], "null", False, "stopped"),
    ],
)
def test_state(
    tmp_path: Path, lines: list[Line], final_step: Any, locked: bool, state: State
) -> None:
    result = None if final_step is None else {"final_step": final_step}
    run = made_run(tmp_path / "run", lines, result=result)
    if final_step == "null":
        run.result.write_text("null")
    with ExitStack() as stack:
        if locked:
            stack.enter_context(locked_run(run))
        assert read_record(run).state == state


LOGGED = [start(0, 0.0), *(train(step, float(step)) for step in range(5, 60, 5))]


@pytest.mark.parametrize(
    ("lines", "saved", "locked", "step", "lost", "steps"),
    [
        (LOGGED, [20, 40], False, 40, 15, range(5, 60, 5)),
        # What a process that still trains has done is in no checkpoint yet.
        (LOGGED, [20, 40], True, 55, 0, range(5, 60, 5)),
        # It is done again only in part.
        ([*LOGGED, start(40, 99.0), train(42, 99.5), end(42, 99.9)], [40, 42], False, 42, 15,
         [*range(5, 41, 5), 42]),
        # Somebody has copied it without its checkpoints.
        (LOGGED, [], False, 55, 0, range(5, 60, 5)),
        # The newest checkpoint is gone, and its process wrote that it had finished.
        ([*LOGGED, end(55, 60.0)], [40], False, 40, 15, range(5, 60, 5)),
    ],
)  # fmt: skip
def test_what_was_lost_with_a_process(
    tmp_path: Path,
    lines: list[Line],
    saved: list[int],
    locked: bool,
    step: int,
    lost: int,
    steps: Iterable[int],
) -> None:
    run = made_run(tmp_path / "run", lines)
    for number in saved:
        (run.checkpoints / f"ckpt-{number}").mkdir(parents=True)
    with ExitStack() as stack:
        if locked:
            stack.enter_context(locked_run(run))
        record = read_record(run)
    assert (record.step, record.cost.steps, record.cost.lost_steps) == (step, step, lost)
    assert record.history.train.steps.tolist() == list(steps)
    assert f"--stop-at-step {step}" in record.commands[-1]


def test_a_run_of_an_older_electra() -> None:
    record = read_record(RunFolder(OLD_RUN))
    assert (record.name, record.step, record.state) == ("run", 2, "stopped")
    assert record.baselines.unigram is None
    assert record.remarks == []
    assert list(record.history.validation.steps) == [0, 2]
    assert record.newest["disc_loss"] == pytest.approx(0.7089, abs=1e-4)
    assert "masked_lm_accuracy/rank_101_to_1000" not in record.newest  # null in the file


def test_what_is_torn_or_damaged_is_told_and_left_out(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished())
    with run.metrics.open("a") as file:
        file.write('{"kind": "train", "step": 2000, "disc_lo\n[]\n')
        file.writelines(f'{{"kind": "train", "step": {n}}}\n' for n in ("1e999", "1e30", -1, '"x"'))
    for path in (run.result, run.init, run.held_out, run.data / "manifest.json", run.changes):
        path.write_text('{"format_version": 1, ')
    record = read_record(run)
    assert record.step == 1000
    assert (record.result, record.held_out, record.initialized, record.manifest) == (None,) * 4
    assert len(record.remarks) == 4
    for name in ("result.json", "init.json", "held-out.json", "manifest.json"):
        assert name in " ".join(record.remarks)
    assert "masked_lm_loss" in as_markdown([record], [])


def test_nothing_but_a_configuration(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.config.write_bytes((OLD_RUN / "config.yaml").read_bytes())
    record = read_record(run)
    assert (record.step, record.state, record.newest) == (0, "begun", {})
    assert np.isnan(record.history.train.column("disc_loss")).all()
    assert "it was not evaluated" in as_markdown([record], [])


def test_a_damaged_configuration_is_an_error(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    run.config.write_text("train: {steps: many}")
    with pytest.raises(DataError, match=r"config\.yaml is damaged"):
        read_record(run)


def test_names_tell_runs_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [made_run(tmp_path / name) for name in ("a/run", "b/run", "c")]
    assert [record.name for record in read_records(runs[1:])] == ["run", "c"]
    assert [record.name for record in read_records(runs)] == [str(run.path) for run in runs]
    monkeypatch.chdir(runs[2].path)
    assert read_record(RunFolder(Path())).name == "c"


def test_changes_and_first_weights_are_read(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    run.changes.write_text(json.dumps({"step": 7, "changed": {"train.steps": [10, 20]}}) + "\n{\n")
    run.init.write_text(json.dumps({"path": "/models/a", "missing": []}))
    record = read_record(run)
    assert record.changes == [(7, "train.steps", 10, 20)]
    assert record.initialized is not None
    assert record.initialized["path"] == "/models/a"


def test_a_finding_of_the_settings_holds_since_they_were_changed(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished(), settings=["optimizer.warmup_steps=900"])
    assert [finding.since for finding in read_record(run).findings] == [0]
    changes = [
        {"step": 100, "changed": {"optimizer.warmup_steps": [10, 800]}},
        {"step": 200, "changed": {"train.seed": [1, 0]}},
        {"step": 300, "changed": {"optimizer.warmup_steps": [800, 900]}},
    ]
    run.changes.write_text("".join(json.dumps(change) + "\n" for change in changes))
    (found,) = read_record(run).findings
    assert (found.name, found.since) == ("warmup-too-long", 100)


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TOKEN", "hunter2hunter2")
    folder = tmp_path / "password=hunter2hunter2"
    path = "data.path=/mnt/https:/me:hunter2hunter2@host/data"
    run = made_run(folder, [start(0, 1.0, device="hunter2hunter2"), *PART[1:]], settings=[path])
    run.init.write_text(json.dumps({"path": "token=hunter2hunter2", "missing": []}))
    run.held_out.write_text("hunter2hunter2")
    record = read_record(run)
    assert record.remarks
    assert "hunter2" not in as_markdown([record], [])
    shown = (record.place, record.name, record.commands, record.remarks, record.initialized)
    assert "hunter2" not in str((shown, record.starts, record.config, record.changes))


def test_evaluations_of_steps_done_again_count_once(tmp_path: Path) -> None:
    lines = [validation(50, 1.0, disc_auc=0.1), start(0, 2.0), validation(50, 3.0, disc_auc=0.8)]
    record = read_record(made_run(tmp_path / "run", lines))
    assert record.newest["disc_auc"] == 0.8
    assert "time" not in record.newest
