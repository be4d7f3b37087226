"""Standard input: copied into the output folder, and so an input like others."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.errors import ConfigError, DataError, ElectraError, OutputError
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
PIPED = Path("-")


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


@pytest.fixture
def pipe(monkeypatch):
    """Makes bytes the standard input."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return put


def result_bytes(folder: Path) -> dict[str, bytes]:
    """What does not name the input."""
    return {name: data for name, data in folder_bytes(folder).items() if name != "plan.json"}


def compressed(path: Path, documents: list[str]) -> Path:
    path.write_bytes(gzip.compress(txt(documents)))
    return path


@pytest.mark.parametrize("worker_count", [1, 2])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("fraction", [0.05, 1e-9])
def test_what_is_read_once_has_the_bytes_of_one_compressed_file(
    tmp_path, pipe, vocab, worker_count, compress, fraction
):
    options = OPTIONS | {"vocab": vocab, "validation_fraction": fraction}
    prepare(compressed(tmp_path / "a.txt.gz", DOCUMENTS), tmp_path / "file", **options)
    pipe(compress(txt(DOCUMENTS)))
    prepare(PIPED, tmp_path / "out", workers=worker_count, **options)
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "file")
    assert len(list((tmp_path / "out").glob("train-00000-*.npy"))) > 5


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (txt(DOCUMENTS), {"vocab_size": 300}),  # it is read twice
        (txt(DOCUMENTS), {"vocab": True, "slice_bytes": 10**6}),  # it fits in a slice
        (parquet(DOCUMENTS, rows=20), {"vocab": True}),
    ],
)
def test_all_else_has_the_bytes_of_a_file(tmp_path, pipe, vocab, content, options):
    options = OPTIONS | options | ({"vocab": vocab} if "vocab" in options else {})
    (tmp_path / "-").write_bytes(content)
    prepare(tmp_path / "-", tmp_path / "file", format="auto", **options)
    pipe(content)
    stages: set[str] = set()
    prepare(
        PIPED, tmp_path / "out", on_progress=lambda fraction, stage: stages.add(stage), **options
    )
    assert folder_bytes(tmp_path / "out") == folder_bytes(tmp_path / "file")  # with the plan
    assert "copying standard input, 0 MB" in stages


def begin(output: Path, vocab: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Begins a preparation that is interrupted when a slice is finished; the copy's path."""

    def interrupt(fraction: float, stage: str) -> None:
        if list(output.glob("slices/*.json")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(PIPED, output, vocab=vocab, on_progress=interrupt, **OPTIONS)
    assert list(output.glob("slices/*.json"))
    return output / "standard-input"


@pytest.mark.parametrize("again", ["the same text", "nothing"])
def test_it_goes_on(tmp_path, pipe, vocab, monkeypatch, again):
    """The copy stays until all is prepared."""
    pipe(txt(DOCUMENTS))
    out = tmp_path / "out"
    copy = begin(out, vocab, monkeypatch)
    assert copy.read_bytes() == txt(DOCUMENTS)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("slices/*.json")}
    pipe(txt(DOCUMENTS) if again == "the same text" else b"")
    notes: list[str] = []
    prepare(PIPED, out, vocab=vocab, on_note=notes.append, **OPTIONS)
    assert notes == [f"standard input is in {copy} already"]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not copy.exists()
    pipe(txt(DOCUMENTS))
    prepare(PIPED, tmp_path / "whole", vocab=vocab, **OPTIONS)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


@pytest.mark.parametrize(
    "other", [txt(DOCUMENTS)[:-1], txt(DOCUMENTS) + b"\nmore", b"D" + txt(DOCUMENTS)[1:]]
)
@pytest.mark.parametrize("is_finished", [False, True])
def test_another_text_is_refused(tmp_path, pipe, vocab, monkeypatch, other, is_finished):
    pipe(txt(DOCUMENTS))
    out = tmp_path / "out"
    if is_finished:
        prepare(PIPED, out, vocab=vocab, **OPTIONS)
    else:
        begin(out, vocab, monkeypatch)
    before = folder_bytes(out)
    pipe(other)
    with pytest.raises(ElectraError, match=r"has another content than|the input files differ"):
        prepare(PIPED, out, vocab=vocab, **OPTIONS)
    assert folder_bytes(out) == before
    pipe(txt(DOCUMENTS))
    assert prepare(PIPED, out, vocab=vocab, **OPTIONS).manifest.counts.documents == 150
    assert not (out / "standard-input").exists()


def test_a_finished_folder_needs_nothing(tmp_path, pipe, vocab):
    """As with files, whoever asks again; what comes is compared, and options are in any case."""
    out, notes = tmp_path / "out", []
    pipe(txt(DOCUMENTS))
    first = prepare(PIPED, out, vocab=vocab, **OPTIONS)
    before = folder_bytes(out)
    for schedule in ({}, {"stage": "prepare", "task_index": 1, "num_tasks": 2}):
        pipe(b"")
        again = prepare(PIPED, out, vocab=vocab, on_note=notes.append, **schedule, **OPTIONS)
        assert again.manifest == first.manifest
        assert again.megabytes_per_second == 0
    assert set(notes) == {f"nothing comes through standard input, and {out} needs nothing more"}
    with pytest.raises(OutputError, match="--seed was 0 and is now 3"):
        prepare(PIPED, out, vocab=vocab, seed=3, **OPTIONS)
    write_text(tmp_path / "more.txt", DOCUMENTS)
    with pytest.raises(OutputError, match="the input files differ"):
        prepare([PIPED, tmp_path / "more.txt"], out, vocab=vocab, **OPTIONS)
    assert folder_bytes(out) == before


def test_a_copy_of_which_only_words_were_counted_gives_way_to_no_other_text(tmp_path, pipe):
    """It may be the beginning of the same, through a pipe that broke."""
    options, out = OPTIONS | {"vocab_size": 300}, tmp_path / "out"
    pipe(txt(DOCUMENTS))
    prepare(PIPED, out, stage="vocabulary", **options)
    assert list(out.glob("words/*.bin"))
    pipe(txt(DOCUMENTS[:50]))
    with pytest.raises(DataError, match="standard input has another content"):
        prepare(PIPED, out, **options)
    pipe(b"")
    prepare(PIPED, out, **options)
    pipe(txt(DOCUMENTS))
    prepare(PIPED, tmp_path / "whole", **options)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


def test_an_empty_pipe_is_no_other_input(tmp_path, pipe, vocab):
    text = write_text(tmp_path / "text.txt", DOCUMENTS)
    prepare(text, tmp_path / "out", vocab=vocab, **OPTIONS)
    pipe(b"")
    with pytest.raises(DataError, match="nothing comes through standard input, and"):
        prepare(PIPED, tmp_path / "out", vocab=vocab, **OPTIONS)


def test_tasks_read_the_copy_that_one_of_them_alone_has_made(tmp_path, pipe):
    options, out = OPTIONS | {"vocab_size": 300}, tmp_path / "out"
    tasks = [{"task_index": index, "num_tasks": 2} for index in range(2)]
    pipe(txt(DOCUMENTS))
    with pytest.raises(ConfigError, match="--num-tasks asks for several parts of it"):
        prepare(PIPED, out, stage="vocabulary", **tasks[0], **options)
    assert not out.exists()
    prepare(PIPED, out, stage="vocabulary", **options)
    pipe(b"")
    for task in tasks:
        prepare(PIPED, out, stage="prepare", **task, **options)
    prepare(PIPED, out, stage="finalize", num_tasks=2, **options)
    assert not (out / "standard-input").exists()
    write_text(tmp_path / "-", DOCUMENTS)
    prepare(tmp_path / "-", tmp_path / "file", **options)
    assert folder_bytes(out) == folder_bytes(tmp_path / "file")


def test_nothing_stays_where_nothing_was_begun(tmp_path, pipe, vocab):
    """So that corrected text can follow."""
    pipe(b'{"text": 1}\n')
    with pytest.raises(DataError, match="standard input, line 1: field 'text' holds a int"):
        prepare(PIPED, tmp_path / "out", vocab=vocab, **OPTIONS)
    assert names_in(tmp_path) == ["words.txt"]
    pipe(txt(DOCUMENTS) + b"\n\xff\n")
    with pytest.raises(DataError, match="standard input, line 1201: invalid UTF-8"):
        prepare(PIPED, tmp_path / "out", vocab=vocab, **OPTIONS)
    assert (tmp_path / "out" / "standard-input").exists()  # slices of it are finished


def test_a_pipe_that_does_not_wait(tmp_path, vocab, monkeypatch):
    """Some parents set this; what had not come yet looked like the end of the text."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, txt(DOCUMENTS[:50]))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        prepare(PIPED, tmp_path / "out", vocab=vocab, **OPTIONS)
        assert os.get_blocking(reading)
