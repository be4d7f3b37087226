"""`electra export`: what it prints, its JSON, and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.export.run import FORMATS
from tests.conftest import Electra, needs_root, small_disk
from tests.export.runs import write_run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run") / "run")


@pytest.mark.parametrize(
    ("format", "method"),
    [("huggingface", "transformers"), ("saved-model", "numpy"), ("onnx", "numpy")],
)
def test_json(electra: Electra, run_folder: Path, tmp_path: Path, format: str, method: str) -> None:
    output = tmp_path / "out"
    result = electra("export", run_folder, "--format", format, "--output", output, "--json")
    assert result.code == 0, result.stderr
    printed = result.json
    assert list(printed) == ["command", "format", "output", "files", "parity"]
    assert (printed["command"], printed["format"]) == ("export", format)
    assert printed["output"] == str(output)
    assert all((output / name).is_file() for name in printed["files"])
    assert list(printed["parity"]) == ["method", "max_abs_difference", "bound"]
    assert printed["parity"]["method"] == method
    assert printed["parity"]["max_abs_difference"] <= printed["parity"]["bound"]


def test_people_see_files_parity_and_what_to_fine_tune(
    electra: Electra, run_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    result = electra("export", run_folder, "--format", "huggingface", "--output", output)
    assert result.code == 0, result.stderr
    assert "discriminator/model.safetensors" in result.stdout
    assert "by transformers: largest difference" in result.stdout
    assert f"to fine-tune: {output / 'discriminator'}" in result.stdout


def test_quiet(electra: Electra, run_folder: Path, tmp_path: Path) -> None:
    arguments = ["export", run_folder, "--format", "saved-model", "--output", tmp_path / "out"]
    result = electra(*arguments, "--quiet")
    assert (result.code, result.stdout, result.stderr) == (0, "", "")


def test_unknown_format(electra: Electra, run_folder: Path, tmp_path: Path) -> None:
    result = electra("export", run_folder, "--format", "onyx", "--output", tmp_path, "--json")
    result.failed(2, "onyx", "onnx")


def test_no_checkpoint(electra: Electra, tmp_path: Path) -> None:
    missing, output = tmp_path / "nowhere", tmp_path / "out"
    result = electra("export", missing, "--format", "huggingface", "--output", output, "--json")
    result.failed(66, str(missing))


def test_no_run_folder(electra: Electra, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = electra("export", tmp_path, "--format", "huggingface", "--output", output, "--json")
    result.failed(65, "holds no weights")
    assert not output.exists()


def test_existing_output(electra: Electra, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    for output in (tmp_path, tmp_path / "mine.txt"):
        result = electra(
            "export", run_folder, "--format", "huggingface", "--output", output, "--json"
        )
        result.failed(73, str(output), "--output")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_output_that_cannot_be_made(electra: Electra, run_folder: Path) -> None:
    """/sys takes no folders, also not from root."""
    output = "/sys/exported/electra"
    result = electra("export", run_folder, "--format", "huggingface", "--output", output, "--json")
    result.failed(73, output, "--output")


def test_errors_come_before_tensorflow(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    code = (
        "import sys\n"
        "from electra_cli.cli.app import run\n"
        f"bad = ['--format', 'huggingface', '--output', {str(tmp_path)!r}]\n"
        f"assert run(['export', {str(run_folder)!r}, *bad]) == 73\n"
        f"assert run(['export', {str(tmp_path / 'nowhere')!r}, *bad]) == 66\n"
        "bad = ['--format', 'onnx', '--only', 'generator']\n"
        f"bad += ['--output', {str(tmp_path / 'out')!r}]\n"
        f"assert run(['export', {str(run_folder)!r}, *bad]) == 2\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_trained_run(electra: Electra, trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = electra("export", trained, "--format", "huggingface", "--output", output, "--json")
    assert result.code == 0, result.stderr
    card = (output / "discriminator" / "README.md").read_text(encoding="utf-8")
    assert "12 of batch size 8" in card
    assert "| disc_auc | 0." in card
    assert "| data | data |" in card
    assert f"SHA-256 {read_manifest(trained / 'data').vocab.sha256[:12]}…" in card


def test_the_folder_of_checkpoints_means_the_run(
    electra: Electra, run_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    result = electra(
        "export", run_folder / "checkpoints", "--format", "huggingface", "--output", output
    )
    assert result.code == 0, result.stderr
    assert "inferred" not in result.stderr
    assert "7 of batch size" in (output / "discriminator" / "README.md").read_text("utf-8")


def test_a_mount_point_as_output(
    electra: Electra, run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "disk"
    output.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == output)
    result = electra("export", run_folder, "--format", "reference", "--output", output, "--json")
    result.failed(73, "is a mount point", f"--output {output}/NAME")
    assert "loading" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


@needs_root
@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk(electra: Electra, run_folder: Path, tmp_path: Path, format: str) -> None:
    output = tmp_path / "disk" / "out"
    with small_disk(tmp_path / "disk", 120) as disk:
        result = electra("export", run_folder, "--format", format, "--output", output, "--json")
        assert list(disk.iterdir()) == []
    result.failed(74, "No space left on device", "free some space and run the same command again")
    message = result.json["error"]["message"]
    assert str(output) in message
    assert "function_node" not in message
    assert ".tmp-" not in message
