"""`electra finetune` where it was started before: what may differ, and what is mended."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from electra_cli.runs.run_folder import RunFolder
from tests.conftest import Electra
from tests.finetuning.finished import Finished


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learning-rate", "0.1"], ["optimizer.learning_rate: 0.003 -> 0.1"]),
        (["--seed", "1"], ["train.seed: 0 -> 1"]),
        (["--epochs", "2", "--head", "reference"], ["train.epochs", "task.head"]),
    ],
)
def test_changed_settings_are_refused(
    electra: Electra, regressed: Finished, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    folder = regressed.copied(tmp_path / "out")
    before = contents(folder)
    electra(*regressed.command(*options, output=folder)).failed(2, str(folder), "--output", *words)
    assert contents(folder) == before


@pytest.mark.usefixtures("trains_nothing")
def test_settings_that_decide_nothing_may_change(
    electra: Electra, regressed: Finished, tmp_path: Path
) -> None:
    folder = regressed.copied(tmp_path / "out")
    options = ["--set", "train.checkpoint_every=7", "--set", "train.log_every=3"]
    assert electra(*regressed.command(*options, output=folder)).code == 0


@pytest.mark.parametrize("changed", ["train", "dev", "another source"])
def test_other_inputs_are_refused(
    electra: Electra, regressed: Finished, trained: Path, tmp_path: Path, changed: str
) -> None:
    folder = regressed.copied(tmp_path / "out")
    command = regressed.command(output=folder)
    words = [f"another file for {changed}"]
    if changed in ("train", "dev"):
        path = Path(command[command.index(f"--{changed}") + 1])
        other = tmp_path / path.name
        other.write_text(path.read_text() + "one more\t2.0\n")
        command[command.index(str(path))] = str(other)
    else:
        command[1] = str(shutil.copytree(trained, tmp_path / "trained"))
        command += ["--steps", "4"]
        words = ["another source"]
    before = contents(folder)
    electra(*command).failed(65, str(folder), "--output", *words)
    assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder but the one that says who looked at it last."""
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock.json"
    }


def test_a_moved_source_and_moved_files_are_the_same(
    electra: Electra, regressed: Finished, trained: Path, tmp_path: Path
) -> None:
    folder = regressed.copied(tmp_path / "out")
    command = regressed.command(output=folder)
    command[1] = str(shutil.copytree(trained, tmp_path / "moved"))
    place = command.index("--train") + 1
    command[place] = shutil.copy(command[place], tmp_path / "other.tsv")
    assert electra(*command).code == 0


@pytest.mark.slow
def test_damaged_weights(electra: Electra, regressed: Finished, tmp_path: Path) -> None:
    """The run is done again, and nobody has to delete anything."""
    folder = regressed.copied(tmp_path / "out")
    run = RunFolder(folder / "step-12" / "seed-0")
    (file,) = (run.checkpoints / "ckpt-15").glob("*.data-*")
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    export = ["export", folder, "--format", "huggingface", "--output", tmp_path / "hf"]
    electra(*export, "--json").failed(65, "ckpt-15 is damaged", "same `electra finetune`")
    again = electra(*regressed.command(output=folder))
    assert "ckpt-15 is damaged" in again.stderr
    assert "beginning anew" in again.stderr
    (before,), (after,) = (
        column["runs"] for result in (regressed.result, again.json) for column in result["columns"]
    )
    for name in ("state_sha256", "metrics", "loss"):
        assert before[name] == after[name]
    assert (run.checkpoints / "ckpt-15.damaged").is_dir()


@pytest.mark.parametrize("left", ["lock.json", "vocab.txt", "model.yaml", "inputs.json", ".x.tmp"])
def test_a_start_that_was_killed_early_is_no_obstacle(
    electra: Electra, regressed: Finished, tmp_path: Path, left: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / left).write_text("")
    assert electra(*regressed.command("--dry-run", output=tmp_path / "out")).code == 0
