"""Faults of the machine while `electra prepare-data` runs: full disk, lost input, signals."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.corpus.shards.rows import load_shard
from electra_cli.files.holder import locked_by_name
from tests.corpus.corpora import folder_bytes, make_documents, names_in, write_text
from tests.corpus.tables import parquet


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A real disk that is full after so much."""
    folder.mkdir()
    assert os.geteuid() == 0, "this test mounts a disk: run the tests as root or in `unshare -rm`"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("kilobytes", "options"), [(4, []), (40, []), (60, ["--deduplicate", "paragraphs"])]
)
def test_a_full_disk(electra, text, tmp_path, kilobytes, options):
    """At the plan, the vocabulary or the shards."""
    out = tmp_path / "disk" / "out"
    command = ["prepare-data", text, "--output", out, "--vocab-size", 300, "--workers", 1, *options]
    with small_disk(tmp_path / "disk", f"{kilobytes}k") as disk:
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


@pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")
def test_a_full_disk_under_beam(electra, text, vocab, tmp_path):
    """The worker that meets it can leave nothing but the text of an exception."""
    out = tmp_path / "disk" / "out"
    with small_disk(tmp_path / "disk", "20k"):
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
    electra(*command, "--plan-only")
    (out / ".lock.json").write_text(json.dumps({"host": "a", "pid": 1, "started": "2020"}))
    electra(*command, "--task-index", 0, "--num-tasks", 2)  # tasks share the lock
    assert ".lock.json" not in names_in(out)
    assert electra(*command).json["examples"] > 0
    assert not (out / ".lock.json").exists()


def test_an_input_that_vanishes(electra, tmp_path, vocab):
    """Its plan is made, and then it is gone: the same command says so, and goes on with it back."""
    for name in "ab":
        write_text(tmp_path / f"{name}.txt", make_documents(400, seed=ord(name)))
    script = (
        "import sys; from pathlib import Path\n"
        "from electra_cli.corpus import pipeline\n"
        "from electra_cli.cli.app import run\n"
        "original = pipeline.prepare_slices\n"
        "def vanish(*arguments, **options):\n"
        "    Path(sys.argv[2]).rename(sys.argv[2] + '.away')\n"
        "    return original(*arguments, **options)\n"
        "pipeline.prepare_slices = vanish\n"
        "sys.exit(run(sys.argv[3:]))\n"
    )
    command = ["prepare-data", tmp_path / "a.txt", tmp_path / "b.txt", "--output", tmp_path / "out",
               "--vocab", vocab, "--workers", "1"]  # fmt: skip
    gone = subprocess.run(
        [sys.executable, "-c", script, "x", tmp_path / "b.txt", *command, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert gone.returncode == 66
    assert str(tmp_path / "b.txt") in json.loads(gone.stdout)["error"]["message"]
    (tmp_path / "b.txt.away").rename(tmp_path / "b.txt")
    assert electra(*command, "--json").json["documents"] == 800


@pytest.mark.parametrize("source", ["standard input", "parquet.gz"])
def test_a_full_folder_for_temporary_files(electra, tmp_path, vocab, monkeypatch, source):
    """Is not taken for a full output folder, and the message says what to set."""
    content = b"more than a slice\n" * 10**6  # so that it is copied
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(parquet(make_documents(300))))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    inputs = ["-"] if source == "standard input" else [path, "--vocab", vocab]
    with small_disk(tmp_path / "tmp", "64k") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        command = ["prepare-data", *inputs, "--output", tmp_path / "out", "--workers", 1, "--json"]
        electra(*command).failed(
            74, f"No space left on device: {disk} is full, 0 bytes are free", "TMPDIR=", "needs"
        )
        assert names_in(disk) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_leaves_no_copy_of_standard_input(tmp_path, number):
    """It is copying when the signal comes."""
    command = [sys.executable, "-m", "electra_cli", "prepare-data", "-", "--output",
               tmp_path / "out", "--json"]  # fmt: skip
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(b"more than a slice\n" * 10**6)
    while not names_in(temporary):
        time.sleep(0.01)
    process.send_signal(number)
    stdout, _ = process.communicate()
    assert process.returncode == 143
    assert json.loads(stdout)["error"]["exit_code"] == 143
    assert names_in(temporary) == []
