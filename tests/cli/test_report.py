"""electra report: what it writes where, what it prints, and what it refuses."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Electra
from tests.report.made_run import OLD_RUN, finished, made_run
from tests.report.test_downstream import made_finetuning

DONE = {"final_step": 1000}
MARKDOWN = ("--format", "md")  # which takes no time

# Everything that a report is made of is imported, TensorFlow with none of it.
SCRIPT = """
import sys
from electra_cli.cli.app import run
from electra_cli.report.page import page
from electra_cli.report.plots import draw

code = run(["report", sys.argv[1], "--output", sys.argv[2], "--quiet"])
heavy = {"tensorflow", "tf_keras", "official", "orbit"} & sys.modules.keys()
sys.exit(f"imported: {heavy}" if heavy else code)
"""


def test_the_page_of_a_run_lies_in_its_folder(electra: Electra, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished(), result=DONE)
    made_finetuning(tmp_path / "scores", run.path)
    for _ in range(2):  # an earlier report is written anew
        result = electra("report", run.path)
        assert result.code == 0, result.stderr
    assert "run has learned, and nothing is wrong with it." in result.stdout
    assert f"report: {run.path}/report.html" in result.stderr.replace("\n", "")
    page = (run.path / "report.html").read_text()
    for part in ("run has learned", "topic", "electra pretrain --preset tiny"):
        assert part in page


def test_several_runs_are_one_report_here(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        made_run(tmp_path / name, finished(), result=DONE, settings=[f"train.seed={len(name)}"])
    made_run(tmp_path / "three", finished()[:5], settings=["objective.name=mlm"])
    monkeypatch.chdir(tmp_path)
    result = electra("report", "one", "two", "three", "./one", *MARKDOWN, "--json")
    assert result.json["output"] == "report.md"
    assert [run["name"] for run in result.json["runs"]] == ["one", "two", "three"]
    assert [run["state"] for run in result.json["runs"]] == ["finished", "finished", "stopped"]
    assert "named twice is shown once" in result.stderr
    assert "| objective.name | electra | electra | mlm |" in Path("report.md").read_text()


@pytest.mark.parametrize("path", ["run", "run/checkpoints", "run/checkpoints/ckpt-1000", "link"])
def test_ways_to_name_a_run(electra: Electra, tmp_path: Path, path: str) -> None:
    run = made_run(tmp_path / "run", finished())
    (run.checkpoints / "ckpt-1000").mkdir(parents=True)
    (tmp_path / "link").symlink_to("run")
    result = electra("report", tmp_path / path, *MARKDOWN, "--json")
    assert result.code == 0, result.stderr
    assert (run.path / "report.md").is_file()


def test_metrics_that_cannot_be_read(electra: Electra, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    run.metrics.mkdir()
    electra("report", run.path, "--json").failed(
        74, f"Is a directory ({run.metrics})", f"ls -ld {run.metrics} shows what is there"
    )


def test_a_fine_tuning_alone_means_its_run(electra: Electra, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished())
    folder = made_finetuning(tmp_path / "elsewhere" / "topic", run.path)
    result = electra("report", folder, *MARKDOWN, "--json")
    assert result.json["output"] == str(run.path / "report.md")
    assert result.json["downstream"][0]["run"] == "run"


def test_a_fine_tuning_of_a_run_that_is_gone(electra: Electra, tmp_path: Path) -> None:
    folder = made_finetuning(tmp_path / "topic", "gone")
    electra("report", folder, "--json").failed(2, "is not there", f"electra report RUN {folder}")


def test_a_run_of_an_older_electra(electra: Electra, tmp_path: Path) -> None:
    result = electra("report", OLD_RUN, "--output", tmp_path / "a.md", "--json")
    assert result.code == 0, result.stderr
    assert result.json["runs"][0]["cost"]["goodput"] is None


def test_a_run_without_metrics(electra: Electra, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    (run.checkpoints / "ckpt-1000").mkdir(parents=True)
    result = electra("report", run.path)
    assert result.code == 0, result.stderr
    assert f"warning: nothing of its 1,000 steps is in {run.metrics}" in result.stderr
    assert "it was not evaluated" in (run.path / "report.html").read_text()


def test_what_is_no_run(electra: Electra, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    electra("report", tmp_path / "no", "--json").failed(66, "no run folder at", "--model-dir")
    electra("report", tmp_path / "folder", "--json").failed(
        65, "is not a run folder", "config.yaml"
    )
    run = made_run(tmp_path / "run")
    electra("report", run.path, tmp_path / "no", "--json").failed(66, "no run folder at")
    assert not (run.path / "report.html").exists()


def test_files_of_others_stay(electra: Electra, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished())
    (run.path / "report.html").write_text("mine")
    electra("report", run.path, "--json").failed(73, "is no report of electra", "another --output")
    assert (run.path / "report.html").read_text() == "mine"
    electra("report", run.path, "--output", run.metrics, "--json").failed(2, "of no format")
    electra("report", run.path, "--output", tmp_path, "--format", "md", "--json").failed(
        73, "is a folder"
    )


def test_a_run_folder_that_cannot_be_written(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, text: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    run = made_run(tmp_path / "run", finished())
    monkeypatch.setattr("electra_cli.report.write.atomic_write_text", fail)
    electra("report", run.path, *MARKDOWN, "--json").failed(
        73, f"cannot write to {run.path}/report.md: Read-only", "add --output report.md"
    )


def test_no_secret_is_written(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    run = made_run(tmp_path / "token=hunter2hunter2", finished())
    made_finetuning(tmp_path / "scores=hunter2hunter2", run.path)
    result = electra("report", run.path, "--json")
    assert result.code == 0, result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    assert "hunter2" not in (run.path / "report.html").read_text()


def test_the_page_is_made_without_tensorflow(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", finished())
    command = [sys.executable, "-c", SCRIPT, str(run.path), str(tmp_path / "a.html")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run has learned" in (tmp_path / "a.html").read_text()
