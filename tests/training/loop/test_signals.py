"""Signals that arrive at chosen moments: real ones, sent to this process by what they interrupt."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training import pretrain as training
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.training.runs import (
    metric_lines,
    options,
    send_on_call,
    steps_of,
)

pytestmark = pytest.mark.slow

AVERAGE = ("--set", "optimizer.ema_decay=0.9")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that nothing has stopped, and the hash of its state; with an average of weights."""
    from electra_cli.cli.app import run
    from electra_cli.runs.commit import read_commit

    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(options(data, folder, "--quiet", *AVERAGE)) == 0
    return folder, read_commit(folder / "checkpoints" / "ckpt-12").state_sha256


def no_room(self: CheckpointSaver, folder: Path, step: int) -> None:
    raise OSError(28, "No space left on device")


# A start after the other of one run: where in it which signal comes, and where the run stops then.
STARTS: list[dict[str, Any]] = [
    # While the step is traced, which takes seconds.
    {"at": (ElectraTrainer, "train_step", 1), "signal": signal.SIGHUP, "code": 143, "step": 1},
    {"at": (ElectraTrainer, "train_loop_end", 1), "signal": signal.SIGTERM, "code": 143, "step": 2},
    {"at": (CheckpointSaver, "commit", 1), "signal": signal.SIGTERM, "code": 143, "step": 4},
    {"at": (ElectraTrainer, "train_loop_end", 2), "signal": signal.SIGINT, "code": 130, "step": 6},
    # In an evaluation: the averages are swapped in, but what is saved has the weights of training.
    {"at": (ElectraPretrainTask, "aggregate_logs", 2), "signal": signal.SIGTERM, "code": 143,
     "step": 7, "evaluate_every": 7},
    # It cannot be saved: 143 would promise a checkpoint.
    {"at": (ElectraTrainer, "train_loop_end", 1), "signal": signal.SIGTERM, "code": 74, "step": 7,
     "evaluate_every": 7, "words": ("ckpt-8", "No space left", "bytes, free"), "full": True},
    # After the last step it is finished.
    {"at": (training, "read_commit", 1), "signal": signal.SIGTERM, "code": 0, "step": 12},
]  # fmt: skip


def test_a_run_stopped_in_every_act(
    electra: Electra, data: Path, tmp_path: Path, whole: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Saved at the current step each time, and in the end the state of the run never stopped."""
    run, before = tmp_path / "run", 0
    for start in STARTS:
        more = ["--set", f"train.evaluate_every={start.get('evaluate_every', 8)}"]
        with monkeypatch.context() as patch:
            send_on_call(patch, *start["at"], start["signal"])
            if start.get("full"):
                patch.setattr(CheckpointSaver, "commit", no_room)
            result = electra(*options(data, run, *AVERAGE, *more))
        name = signal.Signals(start["signal"]).name
        if start["code"]:
            words = (f"stopped by {name} at step {start['step']}", "same command")
            result.failed(start["code"], *start.get("words", words))
            explained = f"{run / 'report.html'} explains the run"
            assert (explained in result.json["error"]["hint"]) is ("full" not in start)
        if start["code"] and "full" not in start:
            assert f"its last process ended: {words[0]}" in (run / "report.html").read_text()
        assert f"resuming at step {before:,}" in result.stderr or before == 0
        assert steps_of(run)[-1] == start["step"], start
        assert not list((run / "checkpoints").glob(".*"))
        before = start["step"]
    assert result.json["state_sha256"] == whole[1]
    for kind in ("train", "validation"):
        lines = metric_lines(run, kind)
        assert {step: lines[step] for step in metric_lines(whole[0], kind)} == metric_lines(
            whole[0], kind
        )
    assert sorted(metric_lines(run, "validation")) == [0, 7, 8, 12]  # 7 was not left out


def test_before_there_is_anything_to_save(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with monkeypatch.context() as patch:
            send_on_call(patch, training, "outlook_of", 1, number)
            electra(*options(data, tmp_path / "run")).failed(code)
        assert not (tmp_path / "run").exists()
