"""Faults of the machine while `electra prepare-data` runs: full disk, lost input, signals."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from electra_cli.corpus.preparation.engines import stages
from electra_cli.corpus.shards.rows import load_shard
from electra_cli.files.holder import locked_by_name
from tests.conftest import needs_root, small_disk
from tests.corpus.corpora import folder_bytes, make_documents, names_in, write_text
from tests.corpus.tables import parquet


@needs_root
@pytest.mark.parametrize(
    ("kilobytes", "options"), [(4, []), (40, []), (60, ["--deduplicate", "paragraphs"])]
)
def test_a_full_disk(electra, text, tmp_path, kilobytes, options):
    """At the plan, the vocabulary or the shards."""
    out = tmp_path / "disk" / "out"
    command = ["prepare-data", text, "--output", out, "--vocab-size", 300, "--workers", 1, *options]
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        full = electra(*command, "--json")
        full.failed(74, f"No space left on device: {out} is full", "bytes are free; about",
                    "more are needed", "free some space and run the same")  # fmt: skip
        for shard in disk.rglob("*.npy"):  # what has its name is whole
            load_shard(shard)
        assert not list(disk.rglob("*.tmp"))
        assert not list(disk.rglob("manifest.json"))
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        electra(*command, "--json")
        electra(*command[:3], tmp_path / "whole", *command[4:])
        assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


@needs_root
@pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")
def test_a_full_disk_under_beam(electra, text, vocab, tmp_path):
    """The worker that meets it can leave nothing but the text of an exception."""
    out = tmp_path / "disk" / "out"
    with small_disk(tmp_path / "disk", 20):
        command = ["prepare-data", text, "--output", out, "--vocab", vocab, "--engine", "beam"]
        electra(*command, "--json").failed(74, f"No space left on device: {out} is full")


def test_another_process_holds_the_output(electra, text, vocab, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    command = ["prepare-data", text, "--output", out, "--vocab", vocab, "--workers", 1, "--json"]
    with locked_by_name(out, out / ".lock.json"):
        refused = electra(*command)
    refused.failed(75, f"another process is writing to {out}: host ", f"pid {os.getpid()}", "20")
    # A killed one leaves its name behind.
    assert names_in(out) == [".lock.json"]
    task = [*command, "--stage", "prepare", "--num-tasks", 2, "--task-index"]
    electra(*task, 1)
    (out / ".lock.json").write_text(json.dumps({"host": "a", "pid": 1, "started": "2020"}))
    electra(*task, 0)  # tasks share the lock
    assert ".lock.json" not in names_in(out)
    assert electra(*command).json["examples"] > 0
    assert not (out / ".lock.json").exists()


def test_an_input_that_vanishes(electra, tmp_path, vocab, monkeypatch):
    """Its plan is made, and then it is gone: the same command says so, and goes on with it back."""
    first, second = (
        write_text(tmp_path / f"{name}.txt", make_documents(400, seed=ord(name))) for name in "ab"
    )
    command = ["prepare-data", first, second, "--output", tmp_path / "out", "--vocab", vocab,
               "--workers", 1, "--json"]  # fmt: skip
    prepare_slices = stages.prepare_slices

    def vanish(*arguments, **options):
        second.rename(tmp_path / "away")
        return prepare_slices(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "prepare_slices", vanish)
        electra(*command).failed(66, str(second))
    (tmp_path / "away").rename(second)
    assert electra(*command).json["documents"] == 800


@needs_root
def test_a_full_folder_for_temporary_files(tmp_path, vocab):
    """Is not taken for a full output folder, and the message says what to set."""
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(parquet(make_documents(300))))
    with small_disk(tmp_path / "tmp", 64) as disk:
        done = subprocess.run(
            [sys.executable, "-m", "electra_cli", "prepare-data", path, "--vocab", vocab,
             "--output", tmp_path / "out", "--json"],
            capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(disk)},
        )  # fmt: skip
        assert done.returncode == 74
        message = json.loads(done.stdout)["error"]["message"]
        assert f"No space left on device: {disk} is full, 0 bytes are free" in message
        assert "needs more than" in message
        assert names_in(disk) == []


@needs_root
def test_no_room_for_standard_input(electra, tmp_path, monkeypatch):
    stdin = io.BytesIO(b"more than a disk\n" * 10**5)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    with small_disk(tmp_path / "disk", 64) as disk:
        out = disk / "out"
        electra("prepare-data", "-", "--output", out, "--json").failed(
            74, f"No space left on device: {out} is full", "standard input", "needs more"
        )
        assert names_in(disk) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_leaves_no_half_of_standard_input(tmp_path, number):
    """It is copying when the signal comes, and nothing was begun."""
    out = tmp_path / "new" / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "electra_cli", "prepare-data", "-", "--output", out, "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stderr
    process.stdin.write("it has begun\n")
    process.stdin.flush()
    while "is copied to" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    stdout, _ = process.communicate()
    assert process.returncode == 143
    assert json.loads(stdout)["error"]["exit_code"] == 143
    assert names_in(tmp_path) == []
