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
from types import SimpleNamespace

import pytest

from electra_cli.corpus.preparation import pipeline
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
    electra(*command, "--plan-only")
    (out / ".lock.json").write_text(json.dumps({"host": "a", "pid": 1, "started": "2020"}))
    electra(*command, "--task-index", 0, "--num-tasks", 2)  # tasks share the lock
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
    prepare_slices = pipeline.prepare_slices

    def vanish(*arguments, **options):
        second.rename(tmp_path / "away")
        return prepare_slices(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "prepare_slices", vanish)
        electra(*command).failed(66, str(second))
    (tmp_path / "away").rename(second)
    assert electra(*command).json["documents"] == 800


@needs_root
@pytest.mark.parametrize("source", ["standard input", "parquet.gz"])
def test_a_full_folder_for_temporary_files(electra, tmp_path, vocab, monkeypatch, source):
    """Is not taken for a full output folder, and the message says what to set."""
    content = b"more than a slice\n" * 10**6  # so that it is copied
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(parquet(make_documents(300))))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    inputs = ["-"] if source == "standard input" else [path, "--vocab", vocab]
    with small_disk(tmp_path / "tmp", 64) as disk:
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
