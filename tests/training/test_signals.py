"""Signals that arrive at chosen moments: real ones, sent to this process by what they interrupt."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from electra_cli.task import ElectraPretrainTask
from electra_cli.training import pretrain as training
from electra_cli.training.saving import CheckpointSaver
from electra_cli.training.signals import StopSignals
from electra_cli.training.trainer import ElectraTrainer
from tests.conftest import Electra
from tests.training.runs import copied, metric_lines, options, steps_of

AVERAGE = ("--set", "optimizer.ema_decay=0.9")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that nothing has stopped, and the hash of its state; with an average of weights."""
    from electra_cli.cli.app import run
    from electra_cli.training.commit import read_commit

    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(options(data, folder, "--quiet", *AVERAGE)) == 0
    return folder, read_commit(folder / "checkpoints" / "ckpt-12").state_sha256


def send_on_call(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int, at: int, *, when: str
) -> None:
    """Sends a signal to this process in the given call of a method."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and when == "before":
            os.kill(os.getpid(), number)
        result = original(*args, **kwargs)
        if calls == at and when == "after":
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(owner, name, wrapper)


@pytest.mark.parametrize(
    ("owner", "name", "at", "number", "code", "step"),
    [
        (ElectraTrainer, "train_loop_end", 3, signal.SIGTERM, 143, 4),
        (ElectraTrainer, "train_step", 1, signal.SIGHUP, 143, 1),  # while the step is traced
        (CheckpointSaver, "_commit", 2, signal.SIGTERM, 143, 4),
        (ElectraTrainer, "train_loop_end", 4, signal.SIGINT, 130, 6),
    ],
)
def test_saved_at_the_current_step_and_resumed_exactly(
    electra: Electra, data: Path, tmp_path: Path, whole: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, number: int, code: int,
    step: int,
) -> None:  # fmt: skip
    command = options(data, tmp_path / "run", *AVERAGE)
    with monkeypatch.context() as patch:
        send_on_call(patch, owner, name, number, at, when="before")
        stopped = electra(*command)
    signal_name = signal.Signals(number).name
    stopped.failed(code, f"stopped by {signal_name} at step {step}", "same command")
    assert steps_of(tmp_path / "run")[-1] == step
    resumed = electra(*command).json
    assert resumed["start_step"] == step
    assert resumed["state_sha256"] == whole[1]
    for kind in ("train", "validation"):
        assert metric_lines(tmp_path / "run", kind) == metric_lines(whole[0], kind)


def test_during_an_evaluation_with_averaged_weights(
    electra: Electra, data: Path, tmp_path: Path, whole: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The averages are swapped in at that moment; what is saved has the weights of training."""
    run = copied(whole[0], tmp_path / "run", newest=4)
    command = options(data, run, *AVERAGE)
    with monkeypatch.context() as patch:
        send_on_call(patch, ElectraPretrainTask, "aggregate_logs", signal.SIGTERM, 2, when="after")
        stopped = electra(*command, "--set", "train.evaluate_every=6")
    stopped.failed(143, "at step 6")
    resumed = electra(*command, "--set", "train.evaluate_every=6").json
    assert resumed["state_sha256"] == whole[1]
    assert sorted(metric_lines(run, "validation")) == [0, 6, 8, 12]  # 6 was not left out


def test_before_there_is_anything_to_save(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with monkeypatch.context() as patch:
            send_on_call(patch, training, "outlook_of", number, 1, when="before")
            electra(*options(data, tmp_path / "run")).failed(code)
        assert not (tmp_path / "run").exists()


def test_after_the_last_step_it_is_finished(
    electra: Electra, data: Path, tmp_path: Path, whole: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = copied(whole[0], tmp_path / "run", newest=8)
    send_on_call(monkeypatch, CheckpointSaver, "best", signal.SIGTERM, 2, when="before")
    assert electra(*options(data, run, *AVERAGE)).json["state_sha256"] == whole[1]


def test_a_save_that_fails_while_stopping(
    electra: Electra, data: Path, tmp_path: Path, whole: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """143 would promise a checkpoint."""
    run = copied(whole[0], tmp_path / "run", newest=8)

    def block(self: CheckpointSaver, step: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        send_on_call(patch, ElectraTrainer, "train_loop_end", signal.SIGTERM, 1, when="before")
        patch.setattr(CheckpointSaver, "_commit", lambda self, folder, step: block(self, step))
        electra(*options(data, run, *AVERAGE)).failed(74, "ckpt-9", "No space left", "bytes, free")
    assert steps_of(run) == [0, 4, 8]
    assert electra(*options(data, run, *AVERAGE)).json["state_sha256"] == whole[1]
    shutil.rmtree(run)


def test_handlers_are_given_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals() as signals:
            signals.defer()
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
            signals.check()
            assert signal.getsignal(signal.SIGTERM) != before
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGHUP, hangup)
