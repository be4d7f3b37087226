"""examples/ci.sh as a user runs it: in processes of its own, on a tiny corpus and model."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SMALL
from tests.places import ROOT

SCRIPT = ROOT / "examples" / "ci.sh"

Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs the script with `electra` and `python3` of this Python on its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("electra", "-m electra_cli"), ("python3", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
        program.chmod(0o755)

    def run(corpus: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WORK": str(tmp_path / "work"),
            "STEPS": "4",
            "VOCAB_SIZE": "600",
            "SEQUENCE_LENGTH": "32",
            "VALIDATION_FRACTION": "0.1",
            "SETTINGS": " ".join([*SMALL, "runtime.device=cpu"]),
            "PAUSE_SECONDS": "0",
        }
        return subprocess.run(
            [str(SCRIPT), str(corpus)],
            env=environment | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.slow
def test_good_enough(script: Script, corpus: Path, tmp_path: Path) -> None:
    passed = script(corpus, FAIL_UNDER="disc_accuracy=0.01 disc_auc=0.01")
    assert passed.returncode == 0, passed.stderr
    assert "device_compiler" not in passed.stderr  # XLA's own note about its first compilation
    assert passed.stdout.startswith("step 4 disc_auc 0.")
    assert (tmp_path / "work" / "run" / "checkpoints" / "ckpt-4").is_dir()


def test_not_good_enough(script: Script, corpus: Path, tmp_path: Path) -> None:
    result = '{"checkpoints": [{"step": 4, "metrics": {"disc_auc": 0.5}}]}'
    fails = f"#!/bin/sh\n[ $1 != evaluate ] || {{ echo '{result}'; exit 1; }}\n"
    (tmp_path / "bin" / "electra").write_text(fails)
    failed = script(corpus, FAIL_UNDER="disc_auc=1.01")
    assert (failed.returncode, failed.stdout) == (1, "step 4 disc_auc 0.5\n")


def test_missing_data(script: Script, tmp_path: Path) -> None:
    result = script(tmp_path / "nowhere.txt")
    assert result.returncode == 66
    assert "input not found" in result.stderr
    assert "a retry does not help" in result.stderr


def test_wrong_usage_ends_at_once(script: Script, corpus: Path) -> None:
    result = script(corpus, SETTINGS="train.batch=8")
    assert result.returncode == 2
    assert "train.batch_size" in result.stderr


def test_try_again(script: Script, corpus: Path, tmp_path: Path) -> None:
    busy = tmp_path / "bin" / "electra"
    busy.write_text("#!/bin/sh\necho called >>calls\nexit 75\n")
    result = script(corpus, ATTEMPTS="2")
    assert result.returncode == 75
    assert (tmp_path / "calls").read_text().splitlines() == ["called", "called"]
