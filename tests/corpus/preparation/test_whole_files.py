"""`--documents file`: a file of text is one document, wherever it comes from."""

from __future__ import annotations

import gzip

import pytest

from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, read_inputs, write_jsonl, write_text
from tests.corpus.tables import write_tar, write_zip
from tests.prepared import prepare

TEXT = "\n\n\nChapter one\n \t\nIt was a dark night.\n\n\nAnd more.\n\n"
LINES = ["Chapter one", "It was a dark night.", "And more."]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.tar", "a.zip", "folder", "a.md"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("slice_bytes", [10, 2**20])
def test_a_file_is_a_document(tmp_path, name, newline, slice_bytes):
    path, content = tmp_path / name, TEXT.replace("\n", newline).encode()
    if name in ("a.tar", "a.zip"):
        (write_tar if "tar" in name else write_zip)(path, {"b.txt": content, "c.txt": content})
    elif name == "folder":
        path.mkdir()
        for number in range(2):
            (path / f"{number}.txt").write_bytes(content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    count = 2 if name in ("a.tar", "a.zip", "folder") else 1
    assert read_inputs(path, documents="file", slice_bytes=slice_bytes)[0] == [LINES] * count
    in_parts = [[line] for line in LINES] if name != "a.md" else [LINES]
    assert read_inputs(path, slice_bytes=slice_bytes)[0] == in_parts * count


def test_a_large_file_is_cut_where_any_document_is(tmp_path):
    paragraphs = make_documents(40)
    path = write_text(tmp_path / "a.txt", paragraphs)
    cleaning = Cleaning(max_document_bytes=6000)
    found = read_inputs(path, documents="file", cleaning=cleaning, slice_bytes=1000)
    one = write_jsonl(tmp_path / "a.jsonl", ["\n\n".join(paragraphs)])
    expected = read_inputs(one, cleaning=cleaning)
    assert found[0] == expected[0]
    assert found[1].cut_documents == expected[1].cut_documents > 2


def test_no_slice_ends_within_a_file_that_is_a_document(tmp_path):
    path = write_text(tmp_path / "a.txt", make_documents(40))
    write_jsonl(tmp_path / "b.jsonl", make_documents(40))
    files = find_inputs([tmp_path], exclude=tmp_path / "o")
    plan = make_plan(files, options={}, text_field="text", slice_bytes=1000, documents="file")
    first, *others = plan.slices
    assert [(part.start, part.end) for part in first.parts] == [(0, path.stat().st_size)]
    assert first.is_stream  # one reader for all workers
    assert len(others) > 5  # lines of JSON are documents as ever


def test_invalid_utf8_drops_the_document_that_the_file_is(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\n\nt\xffo\n\nthree\n")
    (tmp_path / "b.txt").write_text("four\n\nfive\n")
    documents, counts = read_inputs(tmp_path, documents="file", on_error="skip")
    assert (documents, counts.invalid_utf8) == ([["four", "five"]], 1)


def test_one_file_is_one_document_and_too_few(tmp_path):
    path = write_text(tmp_path / "a.txt", make_documents(3))
    with pytest.raises(DataError, match="holds out all of 1") as caught:
        prepare(path, tmp_path / "out", vocab_size=300, documents="file")
    assert "with --documents file each file is one" in caught.value.hint
