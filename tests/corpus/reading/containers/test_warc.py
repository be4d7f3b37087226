"""Web archives: which records are read, as documents of their own, and what damage is."""

from __future__ import annotations

import gzip
import io
import sys
from types import SimpleNamespace

import pytest

from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, read_inputs, read_so_far, write_vocabulary
from tests.corpus.tables import COMPRESSORS, write_tar, write_zip
from tests.prepared import prepare

INFO = "Software-Info: x\r\nisPartOf: CC-MAIN-2024-10\r\n\r\n"
PAGES = ["Title of a page\n\nA paragraph.\r\nAnother.", "Größe und Maß\n", "WARC/1.0\nin a text"]
EXPECTED = [["Title of a page", "A paragraph.", "Another."], ["Größe und Maß"],
            ["WARC/1.0", "in a text"]]  # fmt: skip


def record(kind: str, text: str | bytes, content: str | None = "text/plain", end="\r\n") -> bytes:
    data = text.encode() if isinstance(text, str) else text
    lines = ["WARC/1.0", f"WARC-Type: {kind}", f"Content-Length: {len(data)}", "X: a: b", ""]
    if content:
        lines.insert(2, f"content-type: {content}")
    return end.join(lines).encode() + end.encode() + data + 2 * end.encode()


RECORDS = [record("warcinfo", INFO, "application/warc-fields"),
           *(record("conversion", page) for page in PAGES)]  # fmt: skip


@pytest.mark.parametrize("name", ["a.warc.wet", "a.txt", "a"])
@pytest.mark.parametrize("ending", [*COMPRESSORS, "of records"])
def test_each_conversion_record_is_a_document_without_its_headers(tmp_path, name, ending):
    if ending == "of records":  # as Common Crawl's files are
        content = b"".join(map(gzip.compress, RECORDS))
    else:
        content = COMPRESSORS[ending](b"".join(RECORDS))
    (tmp_path / name).write_bytes(content)
    documents, counts = read_inputs(tmp_path / name)
    assert documents == EXPECTED
    assert counts.input_bytes == sum(len(page.encode()) for page in PAGES)
    for write in (write_tar, write_zip):
        members = {"x.warc.wet.gz": content, "y.jpg": b""}
        assert read_inputs(write(tmp_path / "b", members))[0] == EXPECTED


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\r\n\r\n" + content,
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"WARC/1.0\r\n", b"WARC/1.0 \r\n"),
        lambda content: content.replace(b"WARC-Type", b"X: a\r\n\tContent-Length: 3\r\nWARC-Type"),
    ],
    ids=["blank lines", "byte order mark", "a space behind the version", "a header of two lines"],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_other_programs_write_around_records(tmp_path, change, ending):
    path = tmp_path / f"a.wet{ending}"
    path.write_bytes(COMPRESSORS[ending](change(b"".join(RECORDS))))
    assert read_inputs(path)[0] == EXPECTED


def test_which_records_hold_text(tmp_path):
    content = b"".join(
        [
            record("metadata", "fetchTimeMs: 1", "application/warc-fields"),
            record("conversion", "one", None),
            record("request", "GET / HTTP/1.1", "application/http; msgtype=request"),
            record("resource", "two", "text/plain; charset=utf-8", end="\n"),
            record("resource", b"\x89PNG", "image/png"),
            record("conversion", b"\xff\xd8", "image/jpeg"),
            record("Conversion", ""),
        ]
    )
    (tmp_path / "a.warc").write_bytes(content)
    assert read_inputs(tmp_path / "a.warc")[0] == [["one"], ["two"]]


@pytest.mark.parametrize(
    ("kind", "content"),
    [("response", "application/http; msgtype=response"), ("resource", "text/html")],
)
def test_pages_as_they_came_are_refused_by_name(tmp_path, kind, content):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(RECORDS[0] + record(kind, "HTTP/1.1 200 OK", content)))
    with pytest.raises(
        DataError, match=rf"a\.warc\.gz: it is a web archive of pages .*{kind}"
    ) as e:
        read_inputs(path)
    assert "wet.gz" in e.value.hint
    assert "warc2text" in e.value.hint
    read = read_so_far(path, on_error="skip")[1]
    assert (read.counts.unreadable_files, read.left_out) == (1, ["a.warc.gz"])


def test_an_archive_of_metadata_holds_no_text(tmp_path):
    (tmp_path / "a.wat").write_bytes(RECORDS[0] + 2 * record("metadata", "{}", "application/json"))
    with pytest.raises(DataError, match=r"no text in .*a\.wat: .* 2 metadata records"):
        read_inputs(tmp_path / "a.wat")
    (tmp_path / "a.wat").write_bytes(RECORDS[0])
    assert read_inputs(tmp_path / "a.wat")[0] == []


WHOLE = b"".join(RECORDS)


@pytest.mark.parametrize(
    ("content", "what", "read"),
    [
        (WHOLE[:-10], "ends 6 bytes before the end of a record", 2),
        (WHOLE[: WHOLE.rindex(b"X: a")], "a header has no end", 2),
        (WHOLE.replace(b"Length: 39", b"Length: 38"), r"a record begins with b'.\r\n'", 0),
        (WHOLE.replace(b"Length: 17", b"Length: -1"), "Content-Length is '-1'", 1),
        (WHOLE + b"garbage", "a record begins with b'garbage'", 3),
    ],
)
def test_damage(tmp_path, content, what, read):
    assert content != WHOLE
    (tmp_path / "a.wet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wet: damaged or truncated WARC") as caught:
        read_inputs(tmp_path / "a.wet")
    assert what in caught.value.message
    documents, counts = read_inputs(tmp_path / "a.wet", on_error="skip")
    assert documents[:read] == EXPECTED[:read]
    assert counts.damaged_inputs == 1


def test_a_record_that_is_not_utf_8_is_named_by_its_number(tmp_path):
    content = RECORDS[1] + record("conversion", b"\xe9t\xe9 2024\n") + RECORDS[2]
    (tmp_path / "a.wet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.wet, record 2: invalid UTF-8 .*WINDOWS-1252"):
        read_inputs(tmp_path / "a.wet")
    documents, counts = read_inputs(tmp_path / "a.wet", on_error="skip")
    assert documents == EXPECTED[:2]
    assert counts.invalid_utf8 == 1


def test_a_large_record_is_cut_like_any_document(tmp_path):
    text = "\n".join(f"line {number}" for number in range(1000))
    (tmp_path / "a.wet").write_bytes(record("conversion", text) + RECORDS[1])
    documents, counts = read_inputs(tmp_path / "a.wet", cleaning=Cleaning(max_document_bytes=1024))
    assert [line for document in documents[:-1] for line in document] == text.split("\n")
    assert documents[-1] == EXPECTED[0]
    assert counts.cut_documents == len(documents) - 2 > 5


def test_a_stream_on_standard_input(tmp_path, monkeypatch):
    """More than what is held in memory: blocks are cut out of it."""
    texts = make_documents(200)
    content = b"".join(gzip.compress(record("conversion", text)) for text in texts)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    vocab = write_vocabulary(tmp_path / "words.txt")
    result = prepare(tmp_path.__class__("-"), tmp_path / "out", vocab=vocab, slice_bytes=5000)
    assert result.manifest.counts.documents == 200
    assert len(list((tmp_path / "out").glob("train-00000-*.npy"))) > 5
