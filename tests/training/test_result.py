"""The result of a run as an object for programs and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.modeling.budget import Parameters
from electra_cli.report.cost import Goodput
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.training.result import RunResult, finished_result
from tests.cli.test_pretrain import KEYS


def result(run: Path, **values: Any) -> RunResult:
    known: dict[str, Any] = {
        "run_dir": str(run),
        "preset": "tiny",
        "device": "cpu",
        "workers": 1,
        "replicas": 1,
        "precision": "float32",
        "tf32": False,
        "start_step": 0,
        "final_step": 12,
        "parameters": Parameters(1, 2, 3, 6),
        "flops_per_token": 1.5,
        "flops": 4608.0,
        "losses": {"total_loss": None},
        "sequences_per_second": 1.0,
        "tokens_per_second": 2.0,
        "matmul_peak_share": 0.5,
        "peak_memory_bytes": 7,
        "seconds": 3.0,
        "checkpoint": str(run / "checkpoints" / "ckpt-12" / "state"),
        "best_checkpoint": None,
        "state_sha256": "s",
        "evaluation": {"disc_auc": 0.5},
        "findings": [],
        "goodput": Goodput(2.0, 3.0, 2 / 3, 0, 0, 1.0),
    }
    return RunResult(**known | values)


def test_the_keys_and_what_is_in_them(tmp_path: Path) -> None:
    found = result(tmp_path).as_json()
    assert set(found) == KEYS
    assert list(found)[:3] == ["command", "run_dir", "preset"]
    assert found["parameters"] == {"generator": 1, "discriminator": 2, "shared": 3, "total": 6}


def test_the_file_has_no_secrets(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    result(Path("https://me:canary@host/run")).write(file)
    assert "canary" not in file.read_text()
    assert json.loads(file.read_text())["run_dir"] == "https:/***@host/run"


@pytest.mark.parametrize(
    ("step", "stop", "finished"), [(12, 12, True), (12, 5, True), (8, 8, False), (12, 16, False)]
)
def test_a_finished_run_gives_it_again(
    tmp_path: Path, step: int, stop: int, finished: bool
) -> None:
    """With the places that its files have now."""
    run = RunFolder(tmp_path)
    best = "elsewhere/run/checkpoints/ckpt-4/state"
    report = "elsewhere/run/report.html"
    written = result(Path("elsewhere/run"), best_checkpoint=best, report=report)
    written.write(run.result)
    checkpoint = Checkpoint(run, run.checkpoints / f"ckpt-{step}" / "state", step)
    found = finished_result(checkpoint, stop=stop)
    if not finished:
        assert found is None
        return
    moved = {
        "run_dir": str(tmp_path),
        "checkpoint": str(run.checkpoints / "ckpt-12" / "state"),
        "best_checkpoint": str(run.checkpoints / "ckpt-4" / "state"),
        "report": str(run.report),
    }
    assert found == written.as_json() | moved


@pytest.mark.parametrize("text", ["", "[]", "{", '{"final_step": 12}', "null", "[" * 10_000])
def test_a_damaged_result_is_made_again(tmp_path: Path, text: str) -> None:
    run = RunFolder(tmp_path)
    run.result.write_text(text)
    assert finished_result(Checkpoint(run, tmp_path, 12), stop=12) is None
    assert finished_result(None, stop=12) is None
