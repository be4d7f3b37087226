from __future__ import annotations

import gzip
import json

import pytest

from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.reading.readers import Part, ReadOptions, ReadSoFar, read_documents
from electra_cli.corpus.reading.texts import MOST_LINES, split_lines
from electra_cli.errors import DataError, InputMissingError
from tests.corpus.corpora import read_inputs as read


def write(path, content: bytes):
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_blank_lines_separate_documents_of_text(tmp_path, name, newline):
    content = b"\xef\xbb\xbf one \nstill one\n\n \t\n\ntwo\x0b\n\x0c\nthree \xc3\xa9".replace(
        b"\n", newline
    )
    documents, counts = read(write(tmp_path / name, content))
    assert documents == [["one", "still one"], ["two"], ["three é"]]
    assert counts.input_bytes == len(content)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_each_json_line_is_a_document(tmp_path, name, newline):
    texts = ["one\n\nstill one\r\nand\u2028this", "two"]
    lines = [json.dumps({"body": text, "id": 1}).encode() for text in texts]
    content = b"\xef\xbb\xbf" + newline.join([lines[0], b"  ", lines[1]])
    documents, counts = read(write(tmp_path / name, content), text_field="body")
    assert documents == [["one", "still one", "and\u2028this"], ["two"]]
    assert counts.input_bytes == len(content)


def test_a_markdown_file_is_one_document(tmp_path):
    documents, counts = read(write(tmp_path / "a.md", b"# Title\n\none\n\n- two\n"))
    assert documents == [["# Title", "one", "- two"]]
    path = write(tmp_path / "b.md", b"# Title\n\nf\xff\n\n- two\xff\n")
    documents, counts = read(tmp_path / "a.md", path, on_error="skip")
    assert (len(documents), counts.invalid_utf8) == (1, 1)


BAD_JSON = [
    (b"{broken", "not valid JSON"),
    (b'["text"]', "a JSON object is needed, this is a list"),
    (b'{"body": "x", "id": 2}', "no field 'text'; the line has: 'body', 'id'"),
    (
        json.dumps({f"k{number}": 1 for number in range(1012)}).encode(),
        "the line has: 'k0', 'k1', 'k2', .*'k9' and 1,002 more$",
    ),
    (json.dumps({"k" * 5000: 1}).encode(), r"the line has: 'k{1,50}\.\.\.k{1,50}'$"),
    (b'{"text": 7}', "field 'text' holds a int where text is needed"),
    (b'{"text": -%b}' % (b"7" * 5000), "field 'text' holds a int where text is needed"),
    (b'{"id": %b, "text": }' % (b"7" * 5000), r"not valid JSON \(Expecting value"),
    (b'{"text": NaN}', "field 'text' holds a float where text is needed"),
    (b"[" * 100_000, "not valid JSON"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_JSON)
@pytest.mark.parametrize("slice_bytes", [20, 2**20])
def test_bad_json_line(tmp_path, bad, message, slice_bytes):
    good = b'{"text": "a good line"}'
    path = write(tmp_path / "a.jsonl", b"\n".join([good, b"", good, bad, good]))
    with pytest.raises(DataError, match=message) as caught:
        read(path, slice_bytes=slice_bytes)
    assert caught.value.message.startswith(f"{path}, line 4: ")
    assert "--on-error skip" in caught.value.hint
    documents, counts = read(path, on_error="skip", slice_bytes=slice_bytes)
    assert len(documents) == 3
    assert (counts.bad_json_lines, counts.invalid_utf8) == (1, 0)


@pytest.mark.parametrize("value", [
    "9" * 5000, "-" + "9" * 5000, "[{\"a\": 1" + "0" * 9000 + "}]", "1e999999", "-1E-999999",
    "0." + "1" * 5000, "NaN", "-Infinity", "9" * 5000 + "e9",
])  # fmt: skip
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a", "a.json"])
def test_numbers_of_any_length_beside_the_text(tmp_path, value, name):
    path = write(tmp_path / name, f'{{"n": {value}, "text": "one"}}\n'.encode() * 2)
    documents, counts = read(path)
    assert (documents, counts.bad_json_lines) == ([["one"]] * 2, 0)


@pytest.mark.parametrize("slice_bytes", [10, 2**20])
def test_invalid_utf8_in_text_drops_the_document(tmp_path, slice_bytes):
    path = write(tmp_path / "a.txt", b"one\r\n\r\ntwo\rb\xe9d\nworse \xff\n\nthree\n\n\xff")
    with pytest.raises(DataError, match=r"a\.txt, line 4: invalid UTF-8 \(byte 0xe9"):
        read(path, slice_bytes=slice_bytes)
    documents, counts = read(path, on_error="skip", slice_bytes=slice_bytes)
    assert documents == [["one"], ["three"]]
    assert counts.invalid_utf8 == 2


def test_invalid_utf8_in_json(tmp_path):
    path = write(tmp_path / "a.jsonl", b'{"text": "x"}\n{"text": "\\ud800"}\n{"text": "\xff"}\n')
    with pytest.raises(DataError, match=r"line 2: invalid UTF-8 .an unpaired surrogate"):
        read(path)
    documents, counts = read(path, on_error="skip")
    assert documents == [["x"]]
    assert (counts.bad_json_lines, counts.invalid_utf8) == (0, 2)


def test_file_that_vanished(tmp_path):
    path = write(tmp_path / "a.txt", b"text")
    (file,) = find_inputs([path], exclude=tmp_path / "o")
    path.unlink()
    options = ReadOptions(text_field="text", format="auto", on_error="fail")
    with pytest.raises(InputMissingError, match=r"a\.txt"):
        list(read_documents(Part(file, 0, 4, 4), options=options, read=ReadSoFar()))


def test_lines_end_at_newlines_only():
    assert split_lines(" a\x0bb \r\n\r c\x85d\u2028e\n\n") == ["a\x0bb", "c\x85d\u2028e"]


def test_very_many_lines_come_one_by_one():
    text = " a \r\n\n" * MOST_LINES + "b"
    lines = split_lines(text)
    assert not isinstance(lines, list)
    assert list(lines) == ["a"] * MOST_LINES + ["b"]
