"""`electra launch` as it is typed: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from electra_cli.launch.plan import Launch
from tests.conftest import Electra

PREPARE = ("--", "prepare-data", "texts", "--output", "data")
COMMAND = ("--", "pretrain", "--preset", "tiny", "--model-dir", "runs/mine")
MARK = "# electra launch wrote this file"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["slurm"], ["#SBATCH --nodes=2", "electra pretrain --cluster slurm --preset tiny"]),
        (["jobset", "--image", "i"], ["kind: JobSet", "parallelism: 2"]),
        (
            ["vertex", "--image", "i", "--option", "machine=m", "--option", "nfs=h:/d"],
            ["workerPoolSpecs:", "/mnt/nfs/electra/r"],
        ),
    ],
)
def test_texts_go_to_stdout_or_a_file(
    electra: Electra, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    path = "/mnt/nfs/electra/r" if "vertex" in options else "runs/mine"
    call = ["launch", "--nodes", 2, "--to", *options, *(*COMMAND[:-1], path)]
    shown = electra(*call)
    assert (shown.code, shown.stderr) == (0, "")
    for word in (MARK, *words):
        assert word in shown.stdout
    file = tmp_path / "a job"
    split = call.index("--")
    written = electra(*call[:split], "--output", file, *call[split:])
    assert (written.code, written.stdout) == (0, "")
    assert f"'{file}'" in written.stderr  # in the command that submits it
    assert file.read_text("utf-8") == shown.stdout
    told = electra(*call[:split], "--output", file, "--json", *call[split:])  # over its own file
    assert told.json["text"] == shown.stdout
    assert electra(*call[:split], "--quiet", *call[split:]).stdout == ""


@pytest.mark.parametrize(("options", "stages"), [
    ([], "vocabulary prepare finalize"),
    (["--deduplicate", "documents"], "scan vocabulary prepare finalize"),
    (["--near-duplicates", "0.8", "--vocab", "vocab.txt"], "scan prepare finalize"),
    (["--vocab", "vocab.txt"], "prepare finalize"),
])  # fmt: skip
def test_only_stages_that_are_needed(
    electra: Electra, tmp_path: Path, options: list[str], stages: str
) -> None:
    file = tmp_path / "prepare.sh"
    call = ["launch", "--nodes", 3, "--output", file, "--to"]
    assert f"bash {file}" in electra(*call, "slurm", *PREPARE, *options).stderr
    assert f"  for stage in {stages}; do\n" in file.read_text("utf-8")
    told = electra(*call, "jobset", "--image", "i", *PREPARE, *options).stderr
    assert f"kubectl apply -f {file}" in told
    jobs = re.findall(r"^  - name: (\S+)", file.read_text("utf-8"), re.MULTILINE)
    assert jobs == stages.split()


def test_nothing_else_is_overwritten(electra: Electra, tmp_path: Path) -> None:
    file = tmp_path / "mine.sh"
    file.write_text("mine")
    call = ["launch", "--to", "slurm", "--json", "--output"]
    electra(*call, file, *COMMAND).failed(73, str(file), "nothing is overwritten")
    assert file.read_text() == "mine"
    electra(*call, tmp_path, *COMMAND).failed(73, "is a folder")
    electra(*call, tmp_path / "no" / "job", *COMMAND).failed(73, "mkdir -p")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "slurm"], ["missing: COMMAND..."]),
        (["--to", "slrum", *COMMAND], ["did you mean --to slurm"]),
        (["--to", "slurm", "--", "report", "runs/mine"], ["'report' is no command"]),
        (["--to", "slurm", "--", "pretrain", "--stepps", "3"], ["did you mean --steps"]),
        (["--to", "slurm", "--", "pretrain", "--steps", "x"], ["electra pretrain --help"]),
        (["--to", "slurm", "--", "finetune", "runs/mine"], ["missing: --output DIR"]),
        (["--to", "slurm", *COMMAND, "--cluster", "none"], ["leave --cluster out"]),
        (["--to", "slurm", "--", "pretrain", "--model-dir", "gs://b/r"], ["gs://b/r (model-dir)"]),
        (["--to", "slurm", "--option", "nodes=3", *COMMAND], ["electra launch --nodes"]),
        (["--to", "jobset", "--image", "i", *COMMAND[:-1], "/r"], ["--model-dir /workspace/runs"]),
        (["--to", "local", "--output", "f", *COMMAND], ["no use for --output", "leave --output"]),
        (["--to", "local", "--name", "electra", *COMMAND], ["--to local", "leave --name out"]),
        (["--to", "local", "--image", "i", *COMMAND], ["--to local", "leave --image out"]),
        (["--to", "local", "--max-restarts", "3", *COMMAND], ["leave --max-restarts out"]),
        (["--to", "slurm", "--image", "i", *COMMAND], ["--to slurm", "leave --image out"]),
        (["--to", "vertex", "--max-restarts", "3", *COMMAND], ["--to vertex", "--max-restarts"]),
        (["--to", "local", "--option", "time=1", *COMMAND], ["has no option 'time'"]),
        (["--to", "local", "--nodes", "0", *COMMAND], ["--nodes"]),
        (["--to", "local", *PREPARE], ["--to local does not divide", "type it alone"]),
        (["--to", "vertex", *PREPARE], ["--to vertex does not divide", "--to slurm"]),
        (["--to", "slurm", "--gpus-per-node", "1", *PREPARE], ["no use for GPUs"]),
        (["--to", "slurm", *PREPARE, "--stage", "scan"], ["leave --stage out"]),
        (["--to", "slurm", *PREPARE, "--num-tasks", "2"], ["leave --num-tasks out"]),
        (["--to", "slurm", *PREPARE, "--engine", "beam"], ["--engine beam divides the work"]),
        (["--to", "slurm", *PREPARE, "-"], ["standard input does not come", "write it to a file"]),
        (["--to", "jobset", "--image", "i", *PREPARE[:-1], "/o"], ["--output /workspace/runs"]),
    ],
)
def test_what_is_refused(electra: Electra, arguments: list[str], words: list[str]) -> None:
    electra("launch", "--json", *arguments).failed(2, *words)


@pytest.mark.parametrize("code", [0, 75, 130])
def test_workers_here_get_the_command_and_give_their_exit_code(
    electra: Electra, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    called: list[Launch] = []

    def run(launch: Launch, *, on_line: Any) -> int:
        called.append(launch)
        on_line(1, "error: no")
        print(json.dumps({"a": 1}))  # noqa: T201 - as worker 0 does
        return code

    monkeypatch.setattr("electra_cli.launch.local.run_workers", run)
    shown = electra("launch", "--nodes", 3, "--to", "local", "--json", "--quiet", *COMMAND)
    assert shown.code == code
    assert shown.json == {"a": 1}
    assert shown.stderr == "worker 1: error: no\n"
    assert called[0].command == ("pretrain", "--json", "--quiet", *COMMAND[2:])
    assert called[0].nodes == 3
    electra("launch", "--json", "--to", "local", *COMMAND, "--json")
    assert called[1].command == ("pretrain", *COMMAND[2:], "--json")


@pytest.mark.slow
def test_real_workers_meet_and_fail_alike(tmp_path: Path) -> None:
    """What one of them finds all end with; stdout has the object of worker 0 alone."""
    command = ["pretrain", "--preset", "tiny", "--data", tmp_path / "no", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "electra_cli", "launch", "--nodes", "2", "--to", "local",
         "--json", "--", *command, "--model-dir", tmp_path / "run"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 66, done.stderr
    assert json.loads(done.stdout)["error"]["exit_code"] == 66
    told = f"error: there is no folder {tmp_path / 'no'}"
    assert told in done.stderr.splitlines()
    assert f"worker 1: {told}" in done.stderr.splitlines()
    assert not (tmp_path / "run").exists()
