"""`electra prepare-data -`: what comes through a pipe."""

from __future__ import annotations

import gzip
import io
import sys

import pytest

from tests.conftest import read_only
from tests.corpus.corpora import folder_bytes, make_documents, names_in
from tests.corpus.tables import WRITERS


@pytest.fixture
def pipe(monkeypatch):
    """Makes bytes the standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put


@pytest.mark.parametrize("writer", WRITERS)
def test_standard_input_in_every_format(electra, tmp_path, pipe, text, writer):
    content = WRITERS[writer](make_documents(120))
    common = ("--vocab-size", 300, "--sequence-length", 32)
    plain = tmp_path / "plain"
    assert electra("prepare-data", text, "--output", plain, *common, "--workers", 1).code == 0
    pipe(gzip.compress(content))
    forced = ("--format", writer[-3:]) if writer[-3:] in ("csv", "tsv") else ()
    out = tmp_path / "out"
    done = electra("prepare-data", "-", "--output", out, *common, *forced, "--workers", 2, "--json")
    assert done.code == 0, done.stderr
    for name in ("vocab.txt", "train-00000.npy", "validation-00000.npy"):
        assert (out / name).read_bytes() == (plain / name).read_bytes()


def test_the_same_text_again_prints_the_table_again(prepare, tmp_path, pipe, text, vocab):
    pipe(text.read_bytes())
    first = prepare("-", "--vocab", vocab)
    assert (first.code, first.json["input_bytes"]) == (0, text.stat().st_size)
    assert f"copied to {tmp_path / 'out' / 'standard-input'}" in first.stderr
    before = folder_bytes(tmp_path / "out")
    pipe(text.read_bytes())
    assert prepare("-", "--vocab", vocab).json["documents"] == first.json["documents"]
    assert folder_bytes(tmp_path / "out") == before
    assert "standard-input" not in before


def test_standard_input_is_not_read_where_nothing_can_be_written(electra, tmp_path, monkeypatch):
    """Whoever pipes it in would have to make it again."""
    stdin = io.TextIOWrapper(io.BytesIO(b"some text"))
    monkeypatch.setattr(sys, "stdin", stdin)
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").touch()
    (tmp_path / "disk").mkdir()
    refused = {
        tmp_path / "file": f"output {tmp_path / 'file'} is a file",
        tmp_path / "file" / "out": "cannot make output folder",
        tmp_path / "full": "holds something else: thesis.doc",
        tmp_path / "disk": "cannot write to output folder",
        tmp_path / "disk" / "new" / "out": "cannot make output folder",
    }
    with read_only(tmp_path / "disk"):
        for output, message in refused.items():
            done = electra("prepare-data", "-", "--output", output, "--json")
            done.failed(73, message, str(output), "--output")
    electra(
        "prepare-data", "-", "--output", tmp_path / "out", "--vocab", tmp_path / "nowhere", "--json"
    ).failed(66, "vocabulary", "nowhere")
    assert stdin.buffer.tell() == 0
    assert names_in(tmp_path) == ["disk", "file", "full"]


def test_faults_of_standard_input(prepare, tmp_path, pipe, vocab, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    prepare("-").failed(66, "standard input is closed", "pipe")
    pipe(b"")
    prepare("-").failed(65, "the input is empty", "standard input")
    pipe(b'{"text": "one"}\n{broken\n')
    prepare("-", "--vocab", vocab).failed(65, "standard input, line 2: not valid JSON")
    pipe(b"\x7fELF" + bytes(100))
    prepare("-").failed(65, "no reader for standard input: it is binary")
    assert not (tmp_path / "out").exists()
