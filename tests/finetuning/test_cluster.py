"""A fine-tuning by workers in processes of their own, with a real signal."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.finetuning.finished import Finished
from tests.training.runs import error_of, metric_lines, wait_for
from tests.training.workers import ends, workers


@pytest.mark.slow
def test_stopped_in_its_second_run_and_gone_on(classified: Finished, tmp_path: Path) -> None:
    """In the end it is what one worker finds that nothing stops."""
    more = ("--predict", classified.files.unlabelled, "--fail-under", "accuracy=1.01")
    more += ("--set", "train.checkpoint_every=1")  # so slow that it does not end before the signal
    command = [
        part
        for part in classified.command(*more, output=tmp_path / "out")
        if part not in ("--random", "--probe")
    ]
    second = tmp_path / "out" / "step-12" / "seed-1"
    with workers(command, command) as started:
        wait_for(lambda: bool(metric_lines(second, "train")), started[0])
        started[1].send_signal(signal.SIGTERM)
        stopped = ends(started)
    assert [code for code, _, _ in stopped] == [143, 143], stopped
    first, other = (error_of(out) for _, out, _ in stopped)
    assert first == other
    assert "stopped by SIGTERM to worker 1 (127.0.0.1:" in str(first["message"])
    assert str(second) in str(first["message"])

    with workers(command, command) as started:
        done = ends(started)
    assert [code for code, _, _ in done] == [1, 1], done
    found, theirs = (json.loads(out) for _, out, _ in done)
    assert found == theirs == json.loads((tmp_path / "out" / "result.json").read_text())
    assert "seed 1 (2 of 2)" in done[0][2]
    assert "seed 0 (1 of 2)" not in done[0][2]  # which was finished before
    assert not done[1][2]  # the chief shows what there is to see

    expected = classified.result
    assert scores(found) == pytest.approx(scores(expected), abs=1e-6)
    written, alike = (Path(one["predictions"]).read_text() for one in (found, expected))
    assert [line.split("\t")[:2] for line in written.splitlines()] == [
        line.split("\t")[:2] for line in alike.splitlines()
    ]


def scores(result: dict[str, Any]) -> dict[str, float]:
    """Every number of every run of the model."""
    return {
        f"{column['column']}/{run['seed']}/{name}": value
        for column in result["columns"]
        if column["role"] == "model"
        for run in column["runs"]
        for name, value in {**run["metrics"], "last loss": run["loss"]}.items()
    }
