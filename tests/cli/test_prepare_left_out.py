"""What `--on-error skip` leaves out of a corpus besides lines and rows, and how it is counted."""

from __future__ import annotations

import gzip
import io
import json
import shutil

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
    (folder / "a.gif").write_bytes(b"z")
    (folder / "LICENSE").touch()
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
        "unreadable_members": 2,
        "damaged_inputs": 5,  # the other three files, and cut.txt.gz in both archives
        "passed_over": {".gif": 1, ".html": 1, ".jpg": 1, ".pdf": 1, "companion": 1},
        "passed_over_members": 3,
        "passed_over_bytes": 8,
        # 36 texts, the table that is damaged within and cut.txt.gz; 42 members of each archive
        "files": 38 + 2 * 42,
        "documents": done.json["documents"],
        "bad_rows": 0,
    }
    assert {name: done.json[name] for name in expected} == expected
    assert 116 * 20 < done.json["documents"] < 119 * 20 + 9 * 20
    assert "no reader knows them: 2 (binary.txt, pointer.parquet)" in done.stderr
    assert "damaged from their beginning: 1 (cut.parquet)" in done.stderr
    named = "a.tar!b.txt, a.tar!cut.txt.gz, a.zip!b.txt, a.zip!cut.txt.gz, cut.txt.gz, …"
    assert f"read in part or left out by --on-error skip: 6 ({named})" in done.stderr
    left_out = json.loads((tmp_path / "out" / "manifest.json").read_text())["left_out"]
    assert left_out == named.removesuffix(", …").split(", ")
    assert (
        named in prepared(electra, vocab, corpus, tmp_path / "out", "--on-error", "skip").stderr
    )  # also when everything was done before
    for label in ("files no reader knows", "damaged inputs, read", "files passed over"):
        assert label in done.stderr
    for number, options in enumerate([["--workers", 2], ["--workers", 4], ["--engine", "beam"]]):
        output = tmp_path / str(number)
        again = prepared(electra, vocab, corpus, output, "--on-error", "skip", *options)
        assert again.code == 0, again.stderr
        assert folder_bytes(output) == folder_bytes(tmp_path / "out")
    moved, output = shutil.copytree(corpus, tmp_path / "moved"), tmp_path / "tasks"
    for options in (["prepare", "--task-index", 0], ["prepare", "--task-index", 1], ["finalize"]):
        options = ["--stage", *options, "--num-tasks", 2]
        again = prepared(electra, vocab, moved, output, "--on-error", "skip", *options)
        assert again.code == 0, again.stderr
    assert named in again.stderr
    assert folder_bytes(output) == folder_bytes(tmp_path / "out")


def test_files_that_turn_out_to_be_unreadable_while_they_are_read(electra, vocab, tmp_path):
    """Such as archives without text, and what is no CSV."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(6):
        write_text(folder / f"{number}.txt", DOCUMENTS)
    for number in range(3):
        write_zip(folder / f"{number}.zip", {"picture.jpg": b"x"})
    (folder / "a.csv").write_bytes(b'"' + b"x" * 100 + b"\n")
    for options in (["--workers", 1], ["--workers", 2]):
        result = prepared(electra, vocab, folder, tmp_path / "out", "--on-error", "skip", *options)
        result.failed(65, "no reader knows 4 of 10 files in the input", "at most 5%",
                      "0.zip, 1.zip, 2.zip, a.csv", "without --on-error skip")  # fmt: skip
        assert not list((tmp_path / "out").glob("*"))
    for number in range(76):
        write_text(folder / f"{number}.txt", DOCUMENTS)
    done = prepared(electra, vocab, folder, tmp_path / "out", "--on-error", "skip")
    assert done.json["unreadable_files"] == 4


def test_more_passed_over_than_read_is_a_warning_that_quiet_does_not_hide(electra, vocab, tmp_path):
    folder, output = tmp_path / "corpus", tmp_path / "out"
    folder.mkdir()
    write_text(folder / "a.txt", DOCUMENTS)
    write_tar(folder / "a.tar", {"b.txt": txt(DOCUMENTS), "c.pdf": b"%PDF-"})
    for number in range(2):
        (folder / f"{number}.docx").write_bytes(bytes(9))
    done = prepared(electra, vocab, folder, output, "--quiet")
    assert done.json["passed_over"] == {".docx": 2, ".pdf": 1}
    warning = "more was passed over than read: 2 .docx, 1 .pdf (23 bytes), and 2 files were read"
    (found,) = [text for text in done.json["warnings"] if text.startswith(warning)]
    assert ".docx: `pandoc" in found
    assert ".pdf: `pdftotext" in found
    assert f"warning: {warning}" in done.stderr
    counts = json.loads((output / "manifest.json").read_text())["counts"]
    assert counts["passed_over"] == {".docx": 2, ".pdf": 1}
    # What is passed over decides nothing, so a folder can be gone on with when it changes.
    (output / "manifest.json").unlink()
    for number in range(2):
        (folder / f"{number}.docx").unlink()
    again = prepared(electra, vocab, folder, output, "--quiet")
    assert again.json["passed_over"] == {".pdf": 1}
    assert "passed over" not in again.stderr
    # What stands beside every corpus is not many files.
    for name in ("LICENSE", "README", "_SUCCESS", "dataset_infos.json"):
        (folder / name).write_bytes(b"x")
    (output / "manifest.json").unlink()
    again = prepared(electra, vocab, folder, output, "--quiet")
    assert again.json["passed_over"] == {"companion": 4, ".pdf": 1}
    assert "passed over" not in again.stderr
    # It is by its bytes too.
    (folder / "large.bin").write_bytes(bytes(100_000))
    (output / "manifest.json").unlink()
    again = prepared(electra, vocab, folder, output, "--quiet")
    assert "passed over than read: 4 companion, 1 .bin, 1 .pdf (100,009 bytes)" in again.stderr


def test_a_manifest_of_before_has_no_kinds_and_can_be_read(electra, vocab, tmp_path):
    write_text(tmp_path / "a.txt", DOCUMENTS)
    prepared(electra, vocab, tmp_path / "a.txt", tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("files", "passed_over", "passed_over_bytes"):
        del manifest["counts"][name]
    manifest["counts"]["passed_over_members"] = 3
    path.write_text(json.dumps(manifest))
    done = prepared(electra, vocab, tmp_path / "a.txt", tmp_path / "out", "--quiet")
    assert (done.code, done.json["passed_over_members"]) == (0, 3)
    assert "passed over" not in done.stderr


def test_the_vocabulary_in_the_input_folder_is_no_text(electra, vocab, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_text(folder / "a.txt", DOCUMENTS)
    shutil.copy(vocab, folder / "vocab.txt")
    done = prepared(electra, folder / "vocab.txt", folder, tmp_path / "out")
    assert (done.json["documents"], done.json["passed_over"]) == (20, {})
    (folder / "model").mkdir()
    (folder / "vocab.txt").rename(folder / "model" / "vocab.txt")
    done = prepared(electra, folder / "model", folder, tmp_path / "again")
    assert done.json["documents"] == 20


def test_more_than_a_twentieth_unreadable_is_an_error(electra, corpus, vocab, tmp_path):
    (corpus / "35.txt").write_bytes(ELF)
    skip = ["--on-error", "skip"]
    result = prepared(electra, vocab, corpus, tmp_path / "out", *skip)
    result.failed(65, "no reader knows 3 of 43 files in the input", "at most 5%", "35.txt: it is")
    for path in corpus.glob("*.[pzg]*"):
        path.unlink()
    members = {f"{number:02d}.txt": ELF if number < 3 else b"one" for number in range(40)}
    write_tar(corpus / "a.tar", members)
    for path in corpus.glob("*.txt"):
        path.unlink()
    result = prepared(electra, vocab, corpus, tmp_path / "out", *skip)
    result.failed(65, "no reader knows 3 of 40 files in the input", "a.tar!00.txt")
    assert not list((tmp_path / "out").glob("*"))
