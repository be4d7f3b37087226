"""SIGTERM, SIGHUP and Ctrl-C in the commands that have nothing to save: evaluate and export."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from electra_cli.errors import Terminated
from electra_cli.evaluation import evaluate as evaluation
from electra_cli.export.formats import huggingface
from electra_cli.files.atomic import locked_folder
from electra_cli.tasks.electra import ElectraPretrainTask
from tests.conftest import Electra
from tests.training.runs import finish, send_on_call, start, swallow_on_call, wait_for

NUMBERS = [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]


def files_below(folder: Path) -> dict[str, float]:
    """Every file and when it was written."""
    return {str(path): path.stat().st_mtime for path in folder.rglob("*")}


@pytest.mark.parametrize(("number", "code"), NUMBERS)
def test_evaluate(
    electra: Electra, trained: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """In the evaluation, and before TensorFlow has anything to do."""
    places = [(evaluation, "trainer_of", 1)]
    if number == signal.SIGTERM:
        places.append((ElectraPretrainTask, "aggregate_logs", 2))
    before = files_below(trained)
    for place in places:
        with monkeypatch.context() as patch:
            send_on_call(patch, *place, number)
            result = electra("evaluate", trained, "--device", "cpu", "--json")
        result.failed(code)
        assert files_below(trained) == before


@pytest.mark.parametrize(("number", "code"), NUMBERS)
@pytest.mark.parametrize("place", [(huggingface, "write_tokenizer", 2), (huggingface, "check", 1)])
def test_export(
    electra: Electra, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    number: int, code: int, place: tuple[object, str, int],
) -> None:  # fmt: skip
    """While it writes, and when all is written but not checked."""
    with monkeypatch.context() as patch:
        send_on_call(patch, *place, number)
        result = electra(
            "export", trained, "--format", "huggingface", "--output", tmp_path / "out", "--json"
        )
    result.failed(code)
    assert list(tmp_path.iterdir()) == []


def test_one_that_a_destructor_swallows(
    electra: Electra, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is obeyed at the next batch of an evaluation, and at the next part of an export."""
    commands = [
        (evaluation, "restore", ["evaluate", trained, "--device", "cpu"]),
        (
            huggingface,
            "write_tokenizer",
            ["export", trained, "--format", "huggingface", "--output", tmp_path / "out"],
        ),
    ]
    for owner, name, command in commands:
        with monkeypatch.context() as patch:
            swallowed = swallow_on_call(patch, owner, name)
            electra(*command, "--json").failed(143)
            assert swallowed == [Terminated]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_export_in_a_process_of_its_own_and_what_a_killed_one_left(
    electra: Electra, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ["export", str(trained), "--format", "huggingface", "--output", str(out), "--json"]
    stale = tmp_path / ".out.export" / "stale"
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start(command)
        wait_for(lambda: not stale.exists() and any(stale.parent.glob("*")), process)
        process.send_signal(number)
        code, stdout, _ = finish(process)
        if number == signal.SIGKILL:
            assert code == -number
            assert [path.name for path in tmp_path.iterdir()] == [".out.export"]
            stale.touch()
        else:
            assert (code, json.loads(stdout)["error"]["exit_code"]) == (143, 143)
            assert list(tmp_path.iterdir()) == []  # the other's is gone too
    # One that still runs keeps its own.
    (tmp_path / ".out.export").mkdir()
    with locked_folder(tmp_path / ".out.export"):
        electra(*command).failed(75, "another process is writing", "wait until it has finished")
    assert electra(*command).json["files"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_checkpoint_that_is_not_what_was_written(
    electra: Electra, trained: Path, tmp_path: Path
) -> None:
    """Also where a weight would still be read: TensorFlow does not look at all of a file."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    record = run / "checkpoints" / "ckpt-12" / "commit.json"
    record.write_text(record.read_text().replace('"step": 12', '"step": 13'))
    for command in (
        ["evaluate", run, "--device", "cpu"],
        ["export", run, "--format", "huggingface", "--output", tmp_path / "out"],
    ):
        electra(*command, "--json").failed(65, "ckpt-12 is damaged: commit.json was changed")
    assert not (tmp_path / "out").exists()
