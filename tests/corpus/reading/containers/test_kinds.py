"""Files that are no text: what they are called, and what one is told to type."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs
from tests.corpus.tables import COMPRESSORS, write_tar, write_zip

WIDE = "Grüße aus dem Norden\n"

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"


def pickled(protocol):
    return pickle.dumps(["some words of a text\n" * 100] * 9, protocol=protocol)


# Name, content, what it is called, what to type.
REFUSED = [
    ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF", "pdftotext"),
    ("a.html", b"\n<!-- x --><!-- y -->\n<!DOCTYPE html>\n<p>", "HTML", "trafilatura"),
    ("page", b"<html lang=en><body>text</body></html>", "HTML", "trafilatura"),
    ("page.txt", b"<?xml version='1.0'?>\n<HTML>", "HTML", "--format txt reads it as it is"),
    ("dump.xml", b"<mediawiki xmlns='x'>", "a dump of MediaWiki", "wikiextractor --json"),
    ("tei.XML", b"\n<TEI xmlns='x'><text>words</text></TEI>", "XML", "xmllint"),
    ("part.htm", b"<!-- x --><div>words</div>", "HTML", "trafilatura"),
    ("a.xml", b"\xef\xbb\xbf<?xml version='1.0'?><TEI>", "XML", "xmllint"),
    ("a.rtf", b"{\\rtf1\\ansi text}", "RTF", "pandoc"),
    ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "an older Office", "soffice"),
    ("a.db", b"SQLite format 3\0" + bytes(84), "an SQLite database", "sqlite3"),
    ("a.pkl", pickled(2), "a pickle", "pickle.load"),
    ("a.pkl", pickled(4), "a pickle", "pickle.load"),
    ("a.npy", b"\x93NUMPY\x01\0v\0{'descr': '<i8'}", "a NumPy array", "numpy.load"),
    ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5", "h5dump"),
    ("a.safetensors", b"\x40" + bytes(7) + b'{"a":{"dtype":"F32"}}', "safetensors", "leave it out"),
    ("a.tfrecord", b"\x90\1" + bytes(6) + b"crc!\x0a\x8d\1" + b"x" * 99, "TFRecord", "TFRecord"),
    *((name, LFS, "a pointer of Git LFS", "git lfs pull")
      for name in ("a.txt", "a.csv", "a.jsonl", "a.md", "a.parquet", "a")),
    ("a.7z", b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "7z x"),
    ("a.rar", b"Rar!\x1a\x07\1\0", "a RAR archive", "unrar x"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image", "tesseract"),
    ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 ", "an image", "tesseract"),
    ("a.mp3", b"ID3\4\0\0\0\0\0\0" + b"words " * 99, "sound or video", "leave it out"),
    ("a.mp4", b"\0\0\0\x18ftypmp42" + bytes(9), "sound or video", "leave it out"),
    ("a.json", b'[{"text": "one"},\n {"text": "two"}]\n', "JSON in which", "jq -c"),
    ("a.jsonl", b'{\n  "text": "one"\n}\n', "JSON in which", "jq -c"),
    ("a.txt", b'[\n  {\n    "text": "one"\n  }\n]\n', "JSON in which", "jq -c"),
    ("a.txt", WIDE.encode("utf-16"), "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    ("a.csv", b"\xfe\xff" + "語語".encode("utf-16-be"), "text in UTF-16", "iconv -f UTF-16 "),
    ("a.md", WIDE.encode("utf-32"), "text in UTF-32", "iconv -f UTF-32 "),
]  # fmt: skip
TEXTS = ("HTML", "a dump of MediaWiki", "XML", "RTF", "JSON in which")


@pytest.mark.parametrize(("name", "content", "what", "command"), REFUSED)
def test_what_is_no_text_is_named_with_the_tool_that_makes_text_of_it(
    tmp_path, name, content, what, command
):
    path = tmp_path / name
    for data in (content, COMPRESSORS[".gz"](content)):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}: it is .*{what}") as caught:
            read_inputs(path)
        assert caught.value.exit_code == 65
        assert command in caught.value.hint
        assert "FILE" not in caught.value.hint
    if what not in TEXTS:
        with pytest.raises(DataError, match=rf"{name}: it is .*{what}"):
            read_inputs(path, format="txt")
    else:
        assert read_inputs(path, format="txt")[0]


@pytest.mark.parametrize(("name", "content", "what", "command"), REFUSED[:3])
def test_a_member_of_an_archive_is_named_too(tmp_path, name, content, what, command):
    path = write_tar(tmp_path / "a.tar", {"b.txt": content})
    with pytest.raises(DataError, match=rf"a\.tar!b\.txt: it is .*{what}") as caught:
        read_inputs(path)
    assert f"{command} " in caught.value.hint
    assert "FILE" in caught.value.hint  # there is none to name


@pytest.mark.parametrize(
    ("members", "what", "command"),
    [
        (["[Content_Types].xml", "_rels/.rels", "word/document.xml"], "a Word document", "pandoc"),
        (["docProps/app.xml", "xl/workbook.xml", "[Content_Types].xml"], "an Excel", "soffice"),
        (["[Content_Types].xml", "ppt/presentation.xml"], "a PowerPoint", "pdftotext"),
        ({"mimetype": b"application/epub+zip", "a.html": b"<p>"}, "an EPUB book", "pandoc"),
        (
            {"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<"},
            "an OpenDocument text",
            "pandoc",
        ),
        (
            {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"},
            "an OpenDocument table",
            "soffice",
        ),
        (["arr_0.npy", "arr_1.npy"], "an archive of NumPy arrays", "numpy.load"),
        (["model/data.pkl", "model/version"], "a PyTorch file", "leave it out"),
    ],
)
@pytest.mark.parametrize("format", ["auto", "txt"])
def test_what_is_wrapped_in_a_zip_is_told_from_an_archive(tmp_path, members, what, command, format):
    contents = members if isinstance(members, dict) else dict.fromkeys(members, b"<xml/>")
    for name in ("a.docx", "a.zip"):
        path = write_zip(tmp_path / name, contents)
        with pytest.raises(DataError, match=rf"{name}: it is {what}") as caught:
            read_inputs(path, format=format)
        assert command in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF is a format.\n",
        b"How to read %PDF-1.7 files\n",
        b"<p>a paragraph</p> of Markdown\n",
        b"the <html> tag begins a page\n",
        b"[Music playing]\n\nwords\n",
        b'["quoted" words]\n',
        b"{braces} of a text\n",
        b"SQLite format 3 is a format\n",
        b"MZ, ID3 and GGUF are what files begin with, as RIFF and BM\n",
        b"WARC/1.0 is a version\n",
        b"version https://git-lfs.github.com/spec/v1\nbegins a pointer\n",
        b"WARC/1.0\nis a version\n",
        b"<doc> of another kind\n",
        b"<!-- a comment -->" * 5000 + b"\n",
    ],
)
def test_text_that_only_speaks_of_them_is_read(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    assert read_inputs(tmp_path / "a.txt")[0]


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("un café crème", "latin-1", "WINDOWS-1252"),
        ("“quoted” — it’s", "cp1252", "WINDOWS-1252"),
        ("Привет, мир", "koi8-r", "ENCODING"),
        ("日本語のテキスト", "shift_jis", "ENCODING"),
        ("中文文本", "gbk", "ENCODING"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.tsv"])
def test_text_in_another_encoding_is_told_what_makes_utf_8_of_it(
    tmp_path, text, encoding, expected, name
):
    content = json.dumps({"text": text}, ensure_ascii=False) if name == "a.jsonl" else text
    made = "tsv" if name == "a.tsv" else "txt"
    path = tmp_path / name
    path.write_bytes((f"text\n{content}" if made == "tsv" else content).encode(encoding))
    with pytest.raises(DataError, match=r"line [12]: invalid UTF-8 \(byte 0x") as caught:
        read_inputs(path)
    command = f"`iconv -f {expected} -t UTF-8 {path} > {path}.{made}` makes UTF-8 of it"
    assert caught.value.message.endswith(command)
    assert read_inputs(path, on_error="skip")[1].invalid_utf8 == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a table.csv.gz", "id,text\n1,schöne Grüße\n2,zwei\n".encode("cp1252")),
        ("a.tsv.gz", "text\nschöne Grüße\nzwei\n".encode("utf-16")),
        ("a.md.gz", "schöne Grüße\nzwei\n".encode("utf-16")),
    ],
)
def test_what_one_is_told_to_type_makes_the_same_kind_of_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError) as caught:
        read_inputs(path)
    typed = re.findall("`([^`]*)`", f"{caught.value.message} {caught.value.hint}")
    assert [command.split()[0] for command in typed] == ["gzip", "iconv"]
    for command in typed:
        subprocess.run(command, shell=True, check=True)
    plain = name.removesuffix(".gz")
    documents = read_inputs(tmp_path / (plain + plain[plain.rindex(".") :]))[0]
    assert [line for document in documents for line in document] == ["schöne Grüße", "zwei"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ISO-2022-JP", "日本語のテキスト\n"),
        ("ISO-2022-KR", "한국어 문장\n"),
    ],
)
def test_text_that_is_ascii_by_escapes_is_told_too(tmp_path, encoding, text):
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match=rf"it is text in {encoding}") as caught:
        read_inputs(tmp_path / "a.txt", format="txt")
    assert f"iconv -f {encoding} -t UTF-8" in caught.value.hint


def test_utf_8_that_is_damaged_is_not_taken_for_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("schöne Grüße".encode() + b"\xe2\x82")
    with pytest.raises(DataError, match="invalid UTF-8") as caught:
        read_inputs(tmp_path / "a.txt")
    assert "iconv" not in caught.value.message


@pytest.mark.parametrize("name", ["it's a.npz", "a b.pkl"])
def test_the_command_of_the_hint_makes_text(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, a=np.array(["one"]), b=np.array(["two"]))
    else:
        path.write_bytes(pickle.dumps(["one", "two"]))
    with pytest.raises(DataError, match="it is ") as caught:
        read_inputs(path)
    (command,) = re.findall("`(.*)`", caught.value.hint)
    command = command.replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(command, shell=True, check=True)
    (made,) = set(tmp_path.iterdir()) - {path}
    assert read_inputs(made)[0] == [["one"], ["two"]]
