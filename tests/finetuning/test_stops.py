"""Signals in a fine-tuning: where it stops, what it says, and what comes out in the end."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from electra_cli.tasks.finetune import FinetuneTask
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.conftest import Electra, needs_root, small_disk
from tests.finetuning.finished import Finished
from tests.training.runs import send_on_call, steps_of

# A start after the other: where in it which signal comes. Scoring takes three batches, and so does
# predicting afterwards.
STARTS: list[dict[str, Any]] = [
    {
        "at": (ElectraTrainer, "train_loop_end", 2),
        "signal": signal.SIGTERM,
        "code": 143,
        "step": None,
    },
    {"at": (FinetuneTask, "aggregate_logs", 2), "signal": signal.SIGINT, "code": 130, "step": 15},
    {"at": (FinetuneTask, "aggregate_logs", 5), "signal": signal.SIGHUP, "code": 143, "step": 15},
]


@pytest.mark.slow
def test_a_run_stopped_in_every_act(
    electra: Electra, classified: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end it is what the same seed was among others, in a process that nothing stopped."""
    folder = tmp_path / "out"
    alone = ("--seed", 1, "--seeds", 1, "--predict", classified.files.unlabelled)
    command = [
        part
        for part in classified.command(*alone, output=folder)
        if part not in ("--random", "--probe")
    ]
    for start in STARTS:
        with monkeypatch.context() as patch:
            send_on_call(patch, *start["at"], start["signal"])
            result = electra(*command)
        name = signal.Signals(start["signal"]).name
        (step,) = steps_of(folder / "step-12" / "seed-1")
        # How long a loop is depends on how fast the first steps are.
        assert step == start["step"] if start["step"] else 2 <= step < 15
        words = f"stopped by {name} at step {step};", "run the same command again to go on"
        result.failed(start["code"], *words)
        assert not list(folder.glob("predictions*"))
    result = electra(*command)
    assert result.code == 0, result.stderr
    expected = classified.result["columns"][0]["runs"][1]
    (run,) = result.json["columns"][0]["runs"]
    for name in ("state_sha256", "metrics", "steps"):
        assert run[name] == expected[name]
    assert Path(result.json["predictions"]).is_file()


@pytest.mark.slow
@needs_root
def test_a_disk_that_fills_up(
    electra: Electra, regressed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is tried twice; the same command goes on once there is room."""
    with small_disk(tmp_path / "disk", 4000) as disk:
        folder, ballast = disk / "out", disk / "ballast"
        loop_end = ElectraTrainer.train_loop_end

        def fill(self: ElectraTrainer) -> dict[str, float]:
            with suppress(OSError), ballast.open("ab", buffering=0) as file:
                while file.write(bytes(1 << 12)):
                    pass
            return loop_end(self)

        with monkeypatch.context() as patch:
            patch.setattr(ElectraTrainer, "train_loop_end", fill)
            failed = electra(*regressed.command(output=folder))
        failed.failed(74, "ckpt-", "No space left", "free some space and run the same command")
        assert "trying again after every loop" in failed.stderr
        assert not steps_of(folder / "step-12" / "seed-0")
        electra(*regressed.command(output=folder)).failed(74, "No space left", "free some space")
        ballast.unlink()
        done = electra(*regressed.command(output=folder))
        assert done.code == 0, done.stderr
        (run,) = done.json["columns"][0]["runs"]
        (expected,) = regressed.result["columns"][0]["runs"]
        assert run["state_sha256"] == expected["state_sha256"]
        assert run["metrics"] == expected["metrics"]
