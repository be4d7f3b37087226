"""What `--on-error skip` leaves out of a corpus besides lines and rows, and how it is counted."""

from __future__ import annotations

import gzip
import io

import pyarrow.parquet as pq
import pytest

from tests.corpus.corpora import folder_bytes, make_documents, write_text
from tests.corpus.tables import parquet, txt, write_tar, write_zip

DOCUMENTS = make_documents(20)
ELF = b"\x7fELF" + bytes(100)
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"


@pytest.fixture
def corpus(tmp_path):
    """36 good files, and one or two of each kind that something is wrong with."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(36):
        write_text(folder / f"{number:02d}.txt", DOCUMENTS)
    (folder / "binary.txt").write_bytes(ELF)
    (folder / "pointer.parquet").write_bytes(LFS_POINTER)
    (folder / "cut.txt.gz").write_bytes(gzip.compress(txt(DOCUMENTS * 9))[:-20])
    (folder / "cut.parquet").write_bytes(parquet(DOCUMENTS)[:-20])
    damaged = bytearray(parquet(DOCUMENTS))
    column = pq.read_metadata(io.BytesIO(damaged)).row_group(1).column(1)  # the text
    begin = column.dictionary_page_offset or column.data_page_offset
    damaged[begin : begin + 20] = b"\x99" * 20
    (folder / "damaged.parquet").write_bytes(damaged)
    good = {f"{number:02d}.txt": txt(DOCUMENTS) for number in range(40)}
    wrong = {"b.txt": ELF, "cut.txt.gz": gzip.compress(txt(DOCUMENTS))[:-20]}
    write_tar(folder / "a.tar", good | wrong | {"picture.jpg": b"x", "folder/a.html": b"y"})
    write_zip(folder / "a.zip", wrong | {".hidden.jpg": b"x", "a.pdf": b"%PDF-"} | good)
    return folder


def prepared(electra, vocab, corpus, output, *options):
    return electra(
        "prepare-data", corpus, "--output", output, "--vocab", vocab, "--json", *options,

    )  # fmt: skip


# Beam looks for packages that it can do without.
@pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")
def test_counters_are_exact_and_the_same_for_all_engines(electra, corpus, vocab, tmp_path):
    prepared(electra, vocab, corpus, tmp_path / "out").failed(65)
    assert not (tmp_path / "out").exists()
    done = prepared(electra, vocab, corpus, tmp_path / "out", "--on-error", "skip")
    expected = {
        "unreadable_files": 4,  # binary.txt, pointer.parquet, and b.txt in both archives
        "damaged_inputs": 5,  # the other three files, and cut.txt.gz in both archives
        "passed_over_members": 3,
        "documents": done.json["documents"],
        "bad_rows": 0,
    }
    assert {name: done.json[name] for name in expected} == expected
    assert 116 * 20 < done.json["documents"] < 119 * 20 + 9 * 20
    assert "no reader knows them: 2 (binary.txt, pointer.parquet)" in done.stderr
    assert "damaged from their beginning: 1 (cut.parquet)" in done.stderr
    for label in ("files no reader knows", "damaged inputs, read", "members of archives, passed"):
        assert label in done.stderr
    for number, options in enumerate([["--workers", 2], ["--engine", "beam"]]):
        output = tmp_path / str(number)
        again = prepared(electra, vocab, corpus, output, "--on-error", "skip", *options)
        assert again.code == 0, again.stderr
        assert folder_bytes(output) == folder_bytes(tmp_path / "out")


def test_more_than_a_twentieth_unreadable_is_an_error(electra, corpus, vocab, tmp_path):
    (corpus / "35.txt").write_bytes(ELF)
    skip = ["--on-error", "skip"]
    result = prepared(electra, vocab, corpus, tmp_path / "out", *skip)
    result.failed(65, "no reader knows 3 of 43 files in the input", "at most 5%", "35.txt: it is")
    for path in corpus.glob("*.[pzg]*"):
        path.unlink()
    members = {f"{number:02d}.txt": ELF if number < 3 else b"one" for number in range(40)}
    write_tar(corpus / "a.tar", members)
    for name in ("35.txt", "binary.txt"):
        (corpus / name).unlink()
    result = prepared(electra, vocab, corpus, tmp_path / "out", *skip)
    result.failed(65, "no reader knows 3 of 40 files in", "a.tar", "a.tar!00.txt")
    assert not list((tmp_path / "out").glob("*"))
