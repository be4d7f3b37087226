"""Standard input: read as it comes where that suffices, else copied, and the same result."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.errors import DataError
from tests.corpus.corpora import (
    folder_bytes,
    make_documents,
    names_in,
    write_text,
    write_vocabulary,
)
from tests.corpus.tables import parquet, txt
from tests.prepared import prepare

DOCUMENTS = make_documents(150)
OPTIONS = {"sequence_length": 32, "slice_bytes": 8000, "validation_fraction": 0.05}


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


@pytest.fixture
def pipe(monkeypatch):
    """Makes bytes, or a stream of them, the standard input."""

    def put(content) -> None:
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))

    return put


@pytest.fixture
def no_temporary_files(monkeypatch, tmp_path):
    """Any use of the folder for temporary files fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))


def result_bytes(folder: Path) -> dict[str, bytes]:
    """What does not name the input."""
    return {name: data for name, data in folder_bytes(folder).items() if name != "plan.json"}


def compressed(folder: Path, documents: list[str]) -> Path:
    path = folder / "same.txt.gz"
    path.write_bytes(gzip.compress(txt(documents)))
    return path


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("worker_count", [1, 2])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_stream_has_the_bytes_of_one_compressed_file(
    tmp_path, pipe, vocab, worker_count, compress
):
    documents = make_documents(600)
    options = OPTIONS | {"slice_bytes": 50_000, "vocab": vocab}
    prepare(compressed(tmp_path, documents), tmp_path / "file", **options)
    pipe(compress(txt(documents)))
    prepare(Path("-"), tmp_path / "out", workers=worker_count, **options)
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "file")
    assert len(list((tmp_path / "out").glob("train-00000-*.npy"))) > 5


@pytest.mark.usefixtures("no_temporary_files")
def test_what_fits_in_a_slice_has_the_bytes_of_a_file(tmp_path, pipe, vocab):
    options = OPTIONS | {"vocab": vocab, "slice_bytes": 10**6}
    prepare(write_text(tmp_path / "a.txt", DOCUMENTS), tmp_path / "file", **options)
    pipe((tmp_path / "a.txt").read_bytes())
    prepare(Path("-"), tmp_path / "out", **options)
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "file")


@pytest.mark.usefixtures("no_temporary_files")
def test_blocks_are_finished_before_the_stream_ends(tmp_path, pipe, vocab):
    finished = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            finished.append(len(list((tmp_path / "out" / "slices").glob("*.json"))))
            return super().read(size)

    pipe(Watched(txt(make_documents(1000))))
    prepare(Path("-"), tmp_path / "out", **OPTIONS | {"vocab": vocab})
    assert finished[0] == 0
    assert 5 < finished[-3] < len(load_manifest(tmp_path / "out").shards)


@pytest.mark.usefixtures("no_temporary_files")
@pytest.mark.parametrize("worker_count", [1, 2])
def test_the_lowest_hash_is_held_out_though_the_stream_does_not_come_again(
    tmp_path, pipe, vocab, worker_count
):
    """With its copies in later blocks."""
    documents = [*DOCUMENTS, *DOCUMENTS]
    options = OPTIONS | {"vocab": vocab, "validation_fraction": 1e-9}
    prepare(compressed(tmp_path, documents), tmp_path / "file", **options)
    pipe(txt(documents))
    prepare(Path("-"), tmp_path / "out", workers=worker_count, **options)
    assert load_manifest(tmp_path / "out").counts.validation_documents == 2
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "file")


@pytest.mark.usefixtures("no_temporary_files")
def test_other_inputs_beside_a_stream(tmp_path, pipe, vocab):
    """Two streams for two workers: one of them can be read by this process only."""
    options = OPTIONS | {"vocab": vocab}
    other = compressed(tmp_path, DOCUMENTS[:50])
    for workers in (1, 2):
        pipe(txt(DOCUMENTS[50:]))
        prepare([Path("-"), other], tmp_path / str(workers), workers=workers, **options)
    assert folder_bytes(tmp_path / "1") == folder_bytes(tmp_path / "2")
    assert load_manifest(tmp_path / "1").counts.documents == 150


@pytest.mark.parametrize(
    ("kind", "why"),
    [("txt", "a vocabulary is trained on it"), ("parquet", "its format is read from the end")],
)
def test_a_copy_is_kept_where_one_pass_is_not_enough_and_it_says_so(
    tmp_path, pipe, vocab, monkeypatch, kind, why
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    content = {"txt": txt, "parquet": parquet}[kind](DOCUMENTS)
    options = OPTIONS | ({"vocab": vocab} if kind == "parquet" else {})
    prepare((path := tmp_path / f"a.{kind}").write_bytes(content) and path, tmp_path / "file",
            **options)  # fmt: skip
    pipe(content)
    notes, stages = [], set()
    prepare(
        Path("-"), tmp_path / "out", on_note=notes.append,
        on_progress=lambda fraction, stage: stages.add(stage), **options,
    )  # fmt: skip
    assert why in notes[0]
    assert f"{tmp_path}/tmp/electra-stdin-" in notes[0]
    assert f"{len(content):,} bytes" in notes[1]
    assert "copying standard input, 0 MB" in stages
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "file")
    assert names_in(tmp_path / "tmp") == []


def test_a_bad_line_far_into_the_stream_is_named(tmp_path, pipe, vocab):
    content = txt(DOCUMENTS)
    pipe(content + b"\n\xff\n")
    with pytest.raises(DataError, match="standard input, line 1201: invalid UTF-8"):
        prepare(Path("-"), tmp_path / "out", vocab=vocab, **OPTIONS)


def test_a_pipe_that_does_not_wait(tmp_path, vocab):
    """Some parents set this; what had not come yet looked like the end of the text."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    text = txt(DOCUMENTS)
    command = [sys.executable, "-m", "electra_cli", "prepare-data", "-", "--vocab", str(vocab)]
    command += ["--output", str(tmp_path / "out"), "--workers", "1", "--json"]
    with subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE) as process:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            for start in range(0, len(text), 2000):
                pipe.write(text[start : start + 2000])
                pipe.flush()
                time.sleep(0.05)
        found = json.loads(process.stdout.read())
    assert found["documents"] == len(DOCUMENTS)
