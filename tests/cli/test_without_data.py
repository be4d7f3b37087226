"""Runs that are started without --data, and started again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from electra_cli.cli.app import run
from electra_cli.corpus.preparation import demo
from tests.conftest import Electra, settings
from tests.training.runs import before_tensorflow, copied, options

pytestmark = pytest.mark.slow

FIXED = ["pretrain", "--preset", "tiny", "--device", "cpu", "--steps", "4", "--json"]
FIXED += settings("data.sequence_length=128", "model.max_position_embeddings=128")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run on the demo corpus that was stopped at step 1, and the user's cache."""
    folder = tmp_path_factory.mktemp("begun")
    texts = [f"{n} " + "some words of a test " * 9 for n in range(400)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "demo_documents", lambda: texts)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert run([*FIXED, "--model-dir", str(folder / "run"), "--stop-at-step", "1"]) == 0
        yield folder


def test_the_same_command_again(
    electra: Electra, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads((begun / "run" / "result.json").read_text())
    again = [*FIXED, "--stop-at-step", "1", "--model-dir"]
    with before_tensorflow(monkeypatch):
        assert electra(*again, begun / "run").json == first
        monkeypatch.chdir(begun / "cache")
        found = electra(*again, "../run").json
    assert found["run_dir"] == "../run"
    assert found["checkpoint"] == "../run/checkpoints/ckpt-1/state"
    assert found["state_sha256"] == first["state_sha256"]


def test_a_dry_run_before_it_counts_the_same(electra: Electra, begun: Path, tmp_path: Path) -> None:
    """The vocabulary of the demo corpus is not that of the preset."""
    planned = electra(*FIXED, "--model-dir", tmp_path / "run", "--dry-run").json
    assert (
        planned["parameters"] == json.loads((begun / "run/result.json").read_text())["parameters"]
    )
    assert planned["epochs"] > 0
    longer = ["--set", "data.sequence_length=64"]  # of data that is still to be prepared
    planned = electra(*FIXED, *longer, "--model-dir", tmp_path / "run", "--dry-run").json
    assert planned["epochs"] is None


@pytest.mark.parametrize("cache", ["there", "deleted", "elsewhere"])
def test_it_goes_on(
    electra: Electra, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    folder = copied(begun / "run", tmp_path / "run")
    hidden = begun / "hidden"
    if cache == "elsewhere":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if cache == "deleted":
        (begun / "cache").rename(hidden)
    planned = electra(*FIXED, "--model-dir", folder, "--dry-run").json
    assert planned["parameters"] == json.loads((folder / "result.json").read_text())["parameters"]
    again = [*FIXED, "--stop-at-step", "1", "--model-dir", folder]
    with before_tensorflow(monkeypatch):
        assert electra(*again).json["final_step"] == 1
        electra(*again, "--batch-size", "4").failed(2, "train.batch_size: 8 -> 4")
        electra(*again, "--set", "model.vocab_size=30522").failed(2, "model.vocab_size")
    assert not (tmp_path / "cache").exists()  # what the run was begun with is still there
    if cache == "deleted":
        shutil.rmtree(begun / "cache")
        hidden.rename(begun / "cache")
    if cache == "there":
        assert electra(*FIXED, "--model-dir", folder).json["final_step"] == 4


def test_data_of_ones_own(
    electra: Electra, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = options(Path("-"), copied(trained, tmp_path / "run"))
    at = arguments.index("--data")
    del arguments[at : at + 2]
    with before_tensorflow(monkeypatch):
        result = electra(*arguments)
    assert result.json["final_step"] == 12
    assert "no --data: going on with that of" in result.stderr
    planned = electra(*arguments, "--dry-run").json
    assert planned["parameters"] == result.json["parameters"]
