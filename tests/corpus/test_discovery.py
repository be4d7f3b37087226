from __future__ import annotations

import os

import pytest

from electra_cli.corpus.discovery import find_inputs
from electra_cli.errors import DataError, InputMissingError


def names(files):
    return [file.name for file in files]


def test_folders_are_searched_in_order_and_the_output_is_left_out(tmp_path):
    for name in [
        "b.txt",
        "a/z.JSONL",
        "a/y.txt.gz",
        "a/notes.md",
        "out/vocab.txt",
        "x[1].jsonl.gz",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    files = find_inputs([tmp_path], exclude=tmp_path / "out")
    assert names(files) == ["a/y.txt.gz", "a/z.JSONL", "b.txt", "x[1].jsonl.gz"]
    assert [(file.is_jsonl, file.compressed) for file in files] == [
        (False, True),
        (True, False),
        (False, False),
        (True, True),
    ]
    assert files[2].size == 4


def test_a_file_named_twice_counts_once(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("text")
    assert len(find_inputs([file, tmp_path, tmp_path / "." / "a.txt"], exclude=tmp_path / "o")) == 1


def test_order_of_the_inputs_does_not_matter(tmp_path):
    one, two = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text("a")
    two.write_text("b")
    assert find_inputs([two, one], exclude=tmp_path / "o") == find_inputs(
        [one, two], exclude=tmp_path / "o"
    )


def test_what_is_missing_or_no_text(tmp_path):
    with pytest.raises(InputMissingError, match=r"not found.*nowhere"):
        find_inputs([tmp_path / "nowhere"], exclude=tmp_path / "o")
    with pytest.raises(DataError, match="no text in"):
        find_inputs([tmp_path], exclude=tmp_path / "o")
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(DataError, match=r"no reader for .*a\.pdf"):
        find_inputs([tmp_path / "a.pdf"], exclude=tmp_path / "o")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputMissingError, match="neither a regular file"):
        find_inputs([tmp_path / "pipe.txt"], exclude=tmp_path / "o")
