from __future__ import annotations

import bz2
import gzip
import os

import pytest

from electra_cli.corpus.reading.discovery import find_inputs
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.errors import ConfigError, DataError, InputMissingError
from tests.corpus.tables import parquet, write_tar


def names(files):
    return [file.name for file in files]


def test_folders_are_searched_in_order_and_the_output_is_left_out(tmp_path):
    for name in [
        "b.txt",
        "a/z.JSONL",
        "a/y.txt.gz",
        "a/notes.md",
        "a/paper.pdf",
        "a/noending",
        ".hidden.txt",
        "out/vocab.txt",
        "x[1].csv.xz",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "a" / "y.txt.gz").write_bytes(gzip.compress(b"text"))
    files = find_inputs([tmp_path], exclude=tmp_path / "out")
    assert [(file.name, file.format, file.compressed) for file in files] == [
        ("a/noending", "txt", False),
        ("a/notes.md", "md", False),
        ("a/y.txt.gz", "txt", True),
        ("a/z.JSONL", "jsonl", False),
        ("b.txt", "txt", False),
        ("x[1].csv.xz", "csv", False),
    ]
    assert files[4].size == 4
    forced = find_inputs([tmp_path / "a"], exclude=tmp_path / "out", format="txt")
    assert names(forced) == ["noending", "notes.md", "paper.pdf", "y.txt.gz", "z.JSONL"]


@pytest.fixture
def notes():
    return []


@pytest.mark.parametrize("inputs", [["*"], ["**/*"], ["a.txt", "out"], ["*.txt", "out/part"]])
def test_the_output_of_an_earlier_start_is_no_input(tmp_path, inputs):
    (tmp_path / "out" / "part").mkdir(parents=True)
    for name in ("a.txt", "out/vocab.txt", "out/part/b.txt"):
        (tmp_path / name).write_text("text")
    files = find_inputs([tmp_path / name for name in inputs], exclude=tmp_path / "out")
    assert names(files) == ["a.txt"]


@pytest.mark.parametrize("named", ["", "part", "*"])
def test_the_output_is_not_the_only_input(tmp_path, named):
    (tmp_path / "part").mkdir()
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ConfigError, match="the input is the output folder itself"):
        find_inputs([tmp_path / named], exclude=tmp_path)


def test_what_folders_hold_and_is_not_read_is_told_once(tmp_path, notes):
    folder, elsewhere = tmp_path / "texts", tmp_path / "elsewhere"
    for name in ("a.txt", "1.dat", "sub/2.c", "sub/3.pdf", ".hidden", ".git/config", "out/vocab"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")
    elsewhere.mkdir()
    (elsewhere / "b.txt").write_text("text")
    (folder / "link").symlink_to(elsewhere)
    (folder / "gone.txt").symlink_to("nowhere")

    def found(*inputs, **options):
        notes.clear()
        return names(find_inputs(inputs, exclude=folder / "out", on_note=notes.append, **options))

    assert found(folder) == ["a.txt"]
    (note,) = notes
    passed_over = [folder / name for name in ("1.dat", "gone.txt", "link", "sub/2.c", "sub/3.pdf")]
    assert f": 5 ({', '.join(map(str, passed_over))});" in note
    assert "--format" in note
    for number in range(6):
        (folder / f"x{number}.dat").write_text("text")
    found(folder, folder)
    assert f": 11 ({folder / '1.dat'}, " in notes[0]
    assert ", …);" in notes[0]
    # What is named is not passed over.
    assert len(found(folder, folder / "link", folder / "*.dat", folder / "sub" / "*")) == 11
    assert f": 1 ({folder / 'gone.txt'});" in notes[0]
    found(folder, format="txt")
    assert f": 2 ({folder / 'gone.txt'}, {folder / 'link'});" in notes[0]
    found(folder / "a.txt", elsewhere)
    assert notes == []


def test_files_that_no_reader_knows_can_be_left_out(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "c.parquet").write_text("version https://git-lfs.github.com/spec/v1")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"text")[:10])
    named = [tmp_path / name for name in ("a.txt", "b.txt", "c.parquet")]
    for inputs in ([tmp_path], [tmp_path / "*"], named):
        with pytest.raises(DataError, match=r"b\.txt: it is binary"):
            find_inputs(inputs, exclude=tmp_path / "o")
        left_out = LeftOut(skips=True)
        assert names(find_inputs(inputs, exclude=tmp_path / "o", left_out=left_out)) == ["a.txt"]
        assert left_out.unreadable == ["b.txt", "c.parquet"]
        assert left_out.damaged == (["d.txt.gz"] if len(inputs) == 1 else [])


def test_a_file_without_text_that_is_found_twice_counts_once(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("text")
    (tmp_path / "c.txt").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "d.txt").symlink_to(tmp_path / "c.txt")
    left_out = LeftOut(skips=True)
    inputs = [tmp_path, tmp_path / "*", tmp_path / "c.txt"]
    assert names(find_inputs(inputs, exclude=tmp_path / "o", left_out=left_out)) == [
        "a.txt",
        "b.txt",
    ]
    assert left_out.unreadable == ["c.txt"]


def test_links_to_a_file_are_found_in_the_order_of_names(tmp_path):
    (tmp_path / "m.txt").write_text("text")
    for name in ("z.txt", "b.txt", "k.txt"):  # folders list what is in them in any order
        (tmp_path / name).symlink_to(tmp_path / "m.txt")
    assert names(find_inputs([tmp_path], exclude=tmp_path / "o")) == ["b.txt"]


def test_a_file_named_twice_counts_once(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("text")
    inputs = [file, tmp_path, tmp_path / "." / "a.txt", tmp_path / "*.txt"]
    assert len(find_inputs(inputs, exclude=tmp_path / "o")) == 1


def test_order_of_the_inputs_does_not_matter(tmp_path):
    one, two = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text("a")
    two.write_text("b")
    assert find_inputs([two, one], exclude=tmp_path / "o") == find_inputs(
        [one, two], exclude=tmp_path / "o"
    )


def test_patterns_are_expanded(tmp_path):
    for name in ["a/1.txt", "a/2.txt", "b/1.txt", "b/c/3.txt", "b/wiki_00", "b/x.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("text")

    def found(pattern):
        return names(find_inputs([tmp_path / pattern], exclude=tmp_path / "o"))

    assert found("?/1.txt") == ["a/1.txt", "b/1.txt"]
    assert found("**/*.txt") == ["a/1.txt", "a/2.txt", "b/1.txt", "b/c/3.txt"]
    assert found("b/wiki_*") == ["wiki_00"]
    assert found("[ab]/[!x]*") == [
        "a/1.txt", "a/2.txt", "b/1.txt", "b/c/3.txt", "b/wiki_00",
    ]  # fmt: skip
    (tmp_path / "[ab]").mkdir()
    (tmp_path / "[ab]" / "4.txt").write_text("text")
    assert found("[ab]") == ["4.txt"]  # a name that is there is no pattern
    with pytest.raises(InputMissingError, match=r"no file fits the pattern .*nothing\*") as caught:
        found("a/nothing*")
    assert caught.value.exit_code == 66
    assert f"ls {tmp_path / 'a'}" in caught.value.hint


def kinds(folder, **options):
    """What is read of a folder, and what is passed over by kind, with its bytes."""
    passed_over = PassedOver()
    files = find_inputs([folder], exclude=folder / "o", passed_over=passed_over, **options)
    return names(files), passed_over.kinds, passed_over.bytes


# What people's folders hold beside texts.
COMPANIONS = {
    "LICENSE": "words", "README": "words", "LICENCE-MIT": "words", "_SUCCESS": "",
    "SHA256SUMS": "a  b",
    "dataset_infos.json": '{"default": 1}', "config.json": '{\n  "a": 1\n}', "tokenizer.json": "{}",
}  # fmt: skip


def test_files_without_a_telling_name_are_read_by_their_content(tmp_path):
    texts = {
        "AA/wiki_00": b'{"id": "1", "text": "one"}\n',
        "AA/wiki_01.bz2": bz2.compress(b'<doc id="1" url="" title="">\none\n</doc>\n'),
        "c4-train.00000-of-01024.json.gz": gzip.compress(b'{"text": "one"}\n{"text": "two"}\n'),
        "stream.ndjson": b'{"text": "one"}\n',
        "one.json": b'{"text": "one"}',
        "part-00000": b"one\n\ntwo\n",
        "part.00001": b"three\n",
        "x.txt.002": b"four\n",
        "book.text": b"five\n",
        "CC-MAIN.warc.wet": b"WARC/1.0\r\n",
        "table": parquet(["six"]),
        "archive": write_tar(tmp_path / "tar", {"a.txt": b"x"}).read_bytes(),
    }
    others = {
        "blob": bytes(range(256)),
        "array.json": b'[\n {"text": "one"}\n]',
        "sidecar.json": b'{"url": "of a picture"}',
        "words.json": b"words",
        "utf16": "words".encode("utf-16"),
        "page": b"<html></html>",
        "a.tfrecord-00000-of-00512": b"x",
        "a.csv.00001": b"x,y",
        "program.py": b"print()",
        "paper.PDF": b"%PDF-1.4",
        "paper2.pdf.gz": b"",
        **{name: text.encode() for name, text in COMPANIONS.items()},
    }
    folder = tmp_path / "texts"
    for name, content in {**texts, **others, ".git/HEAD": b"ref", ".cache/x.json": b"{}"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    read, passed_over, size = kinds(folder)
    assert read == sorted(texts)
    assert passed_over == {
        "companion": len(COMPANIONS), "no ending": 3, ".json": 3,
        ".tfrecord": 1, ".csv": 1, ".py": 1, ".pdf": 2,
    }  # fmt: skip
    assert size == sum(map(len, others.values()))
    # A line has the field, and is not passed over.
    assert "sidecar.json" in kinds(folder, text_field="url")[0]
    (folder / "rest.json").write_bytes(b'{"url": "one"}\n{"url": "two"}\n')
    assert "rest.json" in kinds(folder)[0]  # and is an error when it is read


@pytest.mark.parametrize("name", ["blob", "array.json", "page"])
def test_what_is_passed_over_in_a_folder_is_an_error_where_it_is_named(tmp_path, name):
    content = {"blob": bytes(99), "array.json": b'[{"text": "x"}]', "page": b"<html>"}[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "a.txt").write_text("text")
    assert kinds(tmp_path)[0] == ["a.txt"]
    for named in (tmp_path / name, tmp_path / f"{name[:-1]}?"):
        with pytest.raises(DataError, match=rf"{name}: it is ") as caught:
            find_inputs([tmp_path, named], exclude=tmp_path / "o")
        assert caught.value.exit_code == 65


def test_a_folder_without_text_says_what_is_there_and_what_to_type(tmp_path):
    for name in ["1.pdf", "2.PDF", "a.docx", "b.odt", "x.abc", "blob", "sub/3.pdf", ".hidden"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(9))
    (tmp_path / "link").symlink_to("sub")
    with pytest.raises(DataError, match="no text in") as caught:
        find_inputs([tmp_path], exclude=tmp_path / "o")
    assert caught.value.message.endswith(
        "it holds 3 .pdf, 1 .abc, 1 .docx, 1 .odt, 1 link to a folder, 1 more"
    )
    for words in (
        ".pdf: `pdftotext FILE FILE.txt`",
        ".docx, .odt: `pandoc",
        f".abc: if it is text, `electra prepare-data '{tmp_path}/**/*.abc*' --output DIR`",
        "link to a folder: give the folder",
    ):
        assert words in caught.value.hint


def test_very_many_kinds_become_one(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for number in range(60):
        (tmp_path / f"{number}.a{number}x").touch()
    passed_over = kinds(tmp_path)[1]
    assert len(passed_over) == 51
    assert passed_over["others"] == 10


def test_the_vocabulary_in_use_is_no_input(tmp_path):
    for name in ("a.txt", "vocab.txt", "model/vocab.txt", "model/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "link.txt").symlink_to("vocab.txt")

    def found(*inputs, vocabulary):
        files = find_inputs(inputs, exclude=tmp_path / "o", vocabulary=[tmp_path / vocabulary])
        return names(files)

    expected = ["a.txt", "model/readme.txt", "model/vocab.txt"]
    assert found(tmp_path, vocabulary="vocab.txt") == expected
    assert found(tmp_path / "*.txt", vocabulary="vocab.txt") == ["a.txt"]
    assert found(tmp_path / "vocab.txt", vocabulary="vocab.txt") == ["vocab.txt"]  # it is named
    assert found(tmp_path / "model", vocabulary="model/vocab.txt") == ["readme.txt"]


def test_what_is_missing_or_no_text(tmp_path):
    with pytest.raises(InputMissingError, match=r"not found.*nowhere"):
        find_inputs([tmp_path / "nowhere"], exclude=tmp_path / "o")
    with pytest.raises(DataError, match=r"no text in .*: it is empty"):
        find_inputs([tmp_path], exclude=tmp_path / "o")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputMissingError, match="neither a regular file") as caught:
        find_inputs([tmp_path / "pipe.txt"], exclude=tmp_path / "o")
    assert "electra prepare-data - <" in caught.value.hint
