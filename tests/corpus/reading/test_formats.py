from __future__ import annotations

import random

import pytest

from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, read_inputs
from tests.corpus.tables import COMPRESSORS, WRITERS, jsonl, parquet, txt, write_tar, write_zip

DOCUMENTS = [f'{text}\nsaid "é, 語"' for text in make_documents(30)]
EXPECTED = [text.split("\n") for text in DOCUMENTS]


def found(path, format="auto"):
    (file,) = find_inputs([path], exclude=path.parent / "o", format=format)
    return file.format


@pytest.mark.parametrize("ending", COMPRESSORS)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("slice_bytes", [500, 2**20])
def test_every_format_in_every_compression(tmp_path, name, ending, slice_bytes):
    path = tmp_path / (name + ending)
    content = WRITERS[name](DOCUMENTS)
    path.write_bytes(COMPRESSORS[ending](content))
    documents, counts = read_inputs(path, slice_bytes=slice_bytes)
    assert documents == EXPECTED
    texts_only = "parquet" in name or "arrow" in name
    size = sum(len(text.encode()) for text in DOCUMENTS) if texts_only else len(content)
    assert counts.input_bytes == size


@pytest.mark.parametrize("ending", COMPRESSORS)
@pytest.mark.parametrize("name", WRITERS)
def test_the_content_tells_where_the_name_does_not(tmp_path, name, ending):
    path = tmp_path / "part-00000"
    path.write_bytes(COMPRESSORS[ending](WRITERS[name](DOCUMENTS)))
    assert read_inputs(path)[0] == EXPECTED


@pytest.mark.parametrize("text", ["text\nwas lost", "the text, and more,\n", "a\tb\nc\td", "text,"])
def test_text_that_begins_like_no_header_of_a_table(tmp_path, text):
    (tmp_path / "part-00000").write_text(text)
    kind = "csv" if text == "text," else "txt"
    assert found(tmp_path / "part-00000") == kind


def test_wrong_endings_are_seen_through(tmp_path):
    for name, content in {
        "really_jsonl.txt": jsonl(DOCUMENTS),
        "really_plain.txt.gz": txt(DOCUMENTS),
        "really_xz.txt.gz": COMPRESSORS[".xz"](txt(DOCUMENTS)),
        "really_parquet.csv": parquet(DOCUMENTS),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert read_inputs(tmp_path / name)[0] == EXPECTED


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{"text": 1}\n', "jsonl"),
        (b'\xef\xbb\xbf\n  {"text": "x"}', "jsonl"),
        (b'{"text": "' + b"long " * 30_000 + b'"}\n', "jsonl"),
        (b"{not json}\n", "txt"),
        (b"[1, 2]\n", "txt"),
        (b"{" * 100_000, "txt"),
        (b"text\x00\nmore\n" + b"text " * 100, "txt"),  # a stray NUL makes nothing binary
        (b"\x1b[1mcolours\x1b[0m\n" * 50, "txt"),
        ("語".encode() * 30_000, "txt"),
        (b"", "txt"),
        (b"10%\r100%\rdone\n", "txt"),  # as a progress bar leaves it
        (b"id,text\r1,one\r", "csv"),
    ],
)
def test_text_by_its_content(tmp_path, head, expected):
    (tmp_path / "file").write_bytes(head)
    assert found(tmp_path / "file") == expected


def test_the_format_can_be_forced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(jsonl(DOCUMENTS[:2]))
    assert read_inputs(path, format="txt")[0] == [jsonl(DOCUMENTS[:2]).decode().splitlines()]
    path.write_text("id,text\n1,one\n2,two\n")
    assert read_inputs(path, format="csv")[0] == [["one"], ["two"]]
    path.write_text("one\n\ntwo\n")
    assert read_inputs(path, format="md")[0] == [["one", "two"]]
    with pytest.raises(DataError, match=r"a\.txt: damaged or truncated Parquet"):
        read_inputs(path, format="parquet")
    archive = write_tar(tmp_path / "x.tar", {"README": b"one\n\ntwo\n"})
    assert read_inputs(archive, format="txt")[0] == [["one"], ["two"]]


BINARY = {
    "binary, it begins": b"\x7fELF\x02\x01\x01" + bytes(200),
    "an image": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)),
    "binary": random.Random(0).randbytes(100_000),
    "a PDF": b"%PDF-1.4\n1 0 obj << /Type /Catalog >> endobj\n" * 9,
    "text in UTF-16": "plain text".encode("utf-16"),
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl.gz", "a.dat"])
@pytest.mark.parametrize("format", ["auto", "txt"])
def test_binary_files_are_refused(tmp_path, kind, name, format):
    path = tmp_path / name
    path.write_bytes(COMPRESSORS[".gz"](BINARY[kind]) if name.endswith(".gz") else BINARY[kind])
    with pytest.raises(DataError, match=rf"no reader for .*{name}: it is {kind}") as caught:
        read_inputs(path, on_error="skip", format=format)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("share", [1, 40])
@pytest.mark.parametrize(
    "text",
    [
        b"written by DOS\r\n\x1a",
        b"filled up by CP/M\r\n" + b"\x1a" * 90,
        b"a bell\x07 rings",
        b"\x00a NUL, a backspace\x08 and \x7f",
    ],
)
def test_a_few_control_characters_make_no_text_binary(tmp_path, text, share):
    (tmp_path / "a.txt").write_bytes(b"more\n" * share + text)
    assert found(tmp_path / "a.txt") == "txt"


@pytest.mark.parametrize(
    "content", [b"\x01\x02\x03\x04", b"few words\x00\x01\x02\x03" * 9, bytes(9)]
)
def test_more_of_them_do(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match="it is binary"):
        found(tmp_path / "a.txt")


def test_text_in_place_of_a_table(tmp_path):
    path = tmp_path / "train.parquet"
    path.write_text("404: Not Found\n")
    with pytest.raises(DataError, match=r"train\.parquet: the name says parquet") as caught:
        read_inputs(path)
    assert "fetch the file again" in caught.value.hint


def test_archives_are_told_by_their_content(tmp_path):
    assert found(write_tar(tmp_path / "a", {"a.txt": b"x"})) == "tar"
    assert found(write_zip(tmp_path / "b", {"a.txt": b"x"}), "csv") == "zip"
