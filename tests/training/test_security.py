"""Files that nobody vouches for stay data, secrets stay where they are, no network is needed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from electra_cli.training.commit import read_commit
from tests.conftest import Electra
from tests.training.runs import copied, finish, metric_lines, options, start, steps_of


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Is there if something was executed."""
    return tmp_path / "canary"


TAGS = [
    "train: !!python/object/apply:os.system ['touch {}']",
    "train: {{steps: !!python/name:os.system }}",
    "!!python/object/new:subprocess.Popen [['touch', '{}']]",
    "train: &a [!!python/module:antigravity ]",
]


@pytest.mark.parametrize("text", TAGS)
def test_yaml_tags(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, canary: Path, text: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.format(canary) + "\n")
    run = copied(trained, tmp_path / "run")
    (run / "config.yaml").write_text(text.format(canary) + "\n")
    for command in (
        options(data, tmp_path / "new", "--config", mine),
        options(data, run),
        ["evaluate", run, "--json"],
        ["export", run, "--format", "huggingface", "--output", tmp_path / "out", "--json"],
    ):
        result = electra(*command)
        assert result.code in (2, 65), (command, result.stderr)
        assert "Traceback" not in result.stderr
    assert not canary.exists()


def test_pickles_in_every_place(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, canary: Path
) -> None:
    """A .npy file of objects is a pickle; so are the weights of other projects."""
    payload = pickle.dumps(Canary(canary))
    run = copied(trained, tmp_path / "run", newest=8)
    ours = tmp_path / "data"
    shutil.copytree(data, ours)
    for path in ours.rglob("*.npy"):
        size = path.stat().st_size
        np.save(path, np.array([Canary(canary)], dtype=object), allow_pickle=True)
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    # Even where the sizes agree and nothing else is looked at.
    command = options(ours, run, "--set", "runtime.verify_data=size")
    assert electra(*command).code in (65, 70)
    electra(*options(ours, run)).failed(65, "manifest")
    for name in ("state.index", "commit.json"):
        (run / "checkpoints" / "ckpt-8" / name).write_bytes(payload)
    for name in ("model.h5", "model.keras", "saved_model.pb", "pytorch_model.bin", "ckpt-99.pkl"):
        (run / "checkpoints" / name).write_bytes(payload)
        (run / name).write_bytes(payload)
    result = electra("evaluate", run / "checkpoints" / "ckpt-8", "--json")
    result.failed(65, "ckpt-8")
    electra(*options(data, tmp_path / "new", "--init-from", run / "model.keras")).failed(
        65, "model"
    )
    electra(*options(data, run, "--stop-at-step", 5))
    assert steps_of(run)[-1] == 5  # and none of those files were in the way
    assert not canary.exists()


def test_gin_runs_only_what_the_command_line_names(
    electra: Electra, data: Path, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run", newest=8)
    (run / "bindings.gin").write_text("import no_such_module_that_would_fail\n")
    electra(*options(data, run)).failed(2, "other gin bindings")  # compared as text
    result = electra("evaluate", run, "--device", "cpu", "--json")
    assert result.code == 0, result.stderr


def test_a_record_cannot_point_out_of_its_folder(
    electra: Electra, data: Path, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run", newest=8)
    folder = run / "checkpoints" / "ckpt-8"
    commit = read_commit(folder)
    first, *_ = commit.files
    files = {f"../ckpt-4/{first}": commit.files[first]}
    other = commit.model_copy(update={"files": files})
    other = other.model_copy(update={"checksum": other.own_checksum()})
    (folder / "commit.json").write_text(other.model_dump_json())
    (folder / first).unlink()
    result = electra(*options(data, run, "--stop-at-step", 5))
    assert "ckpt-8 is damaged" in result.stderr


SECRETS = [f"canary{number}SECRET{number * 7919}" for number in range(10)]


def test_secrets_are_written_nowhere(data: Path, tmp_path: Path, trained: Path) -> None:
    """Ten of them in the environment; nothing that a command writes or prints has one."""
    names = ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GOOGLE_API_KEY", "GITHUB_TOKEN")
    values = dict(zip(names, SECRETS, strict=False))
    values |= {
        "HTTPS_PROXY": f"https://user:{SECRETS[5]}@proxy.invalid",
        "PIP_INDEX_URL": f"https://token:{SECRETS[6]}@registry.invalid/simple",
        "SIGNED_URL": f"gs://bucket/file?sig={SECRETS[7]}",
        "DATABASE_URL": f"postgres://me:{SECRETS[8]}@host.invalid",
        "AZURE_STORAGE_KEY": SECRETS[9],
    }
    run = copied(trained, tmp_path / "run", newest=8)
    process = start(options(data, run, "--debug"), env=os.environ | values)
    code, out, err = finish(process)
    assert code == 0, err
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    for secret in SECRETS:
        for text in (out.encode(), err.encode(), *written):
            assert secret.encode() not in text


def test_control_characters_are_shown(electra: Electra, tmp_path: Path) -> None:
    """A name can hold what a terminal would obey, and what looks like another line of JSON."""
    name = 'a\x1b[2Jb\x07c\r{"x": 1}\x9bd'
    result = electra("pretrain", "--preset", "tiny", "--data", tmp_path / name, "--json")
    assert result.code == 65
    assert len(result.stdout.splitlines()) == 1
    for character in "\x1b\x07\r\x9b":
        assert character not in result.stderr
        assert character not in result.stdout
    assert r"a\x1b[2Jb\x07c" in result.stderr
    assert json.loads(result.stdout)["error"]["message"].count(name) == 1


def test_three_processes_without_a_network(data: Path, tmp_path: Path, trained: Path) -> None:
    """Stopped at three steps, resumed three times, each in a process of its own."""
    run = tmp_path / "run"
    offline = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    for stop in (1, 5, 11, 12):
        command = [sys.executable, "-m", "electra_cli", *options(data, run, "--stop-at-step", stop)]
        done = subprocess.run([*offline, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["final_step"] == stop
    expected = read_commit(trained / "checkpoints" / "ckpt-12").state_sha256
    assert json.loads(done.stdout)["state_sha256"] == expected
    whole, parts = metric_lines(trained, "train"), metric_lines(run, "train")
    assert {step: parts[step] for step in whole} == whole
