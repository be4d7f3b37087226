from __future__ import annotations

import json
import random

import pytest

from electra_cli.corpus.reading.cleaning import MOST_LINES, Cleaning, pieces
from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.errors import ConfigError, DataError
from tests.corpus.corpora import make_documents, read_inputs, write_jsonl, write_text
from tests.corpus.tables import WRITERS
from tests.prepared import prepare


def clean(document, **options):
    counts = Counts()
    return Cleaning(**options).apply(document, counts), counts


def test_without_options_nothing_changes():
    document = ["e\u0301", "\ufffd" * 9, "\x00\x01"]
    assert clean(document) == (document, Counts())


def test_short_documents_are_left_out():
    assert clean(["abc", "de"], min_length=5)[0] == ["abc", "de"]
    assert clean(["abc", "d"], min_length=5) == (None, Counts(short_documents=1))


def test_characters_are_composed_before_they_are_counted():
    assert clean(["e\u0301"], nfc=True) == (["é"], Counts(composed_documents=1))
    assert clean(["é"], nfc=True) == (["é"], Counts())
    assert clean(["e\u0301"], nfc=True, min_length=2)[1].short_documents == 1


@pytest.mark.parametrize(("option", "character", "counter"), [
    ("max_replacement_share", "\ufffd", "replacement_documents"),
    ("max_control_share", "\x08", "control_documents"),
    ("max_control_share", "\x85", "control_documents"),
    ("max_control_share", "\x9f", "control_documents"),
    ("max_control_share", "\x7f", "control_documents"),
])  # fmt: skip
def test_shares_of_characters(option, character, counter):
    kept, left_out = ["x" * 8, character * 2], ["x" * 7, character * 3]
    assert clean(kept, **{option: 0.2}) == (kept, Counts())
    assert clean(left_out, **{option: 0.2}) == (None, Counts(**{counter: 1}))
    assert clean(["x" * 99, "\t"], max_control_share=0.0)[0] is not None  # white space is none
    assert clean(["x" * 99, character], **{option: 0.0})[0] is None


@pytest.mark.parametrize("text", [
    "می\u200cخواهم به کتابخانه\u200cی دانشگاه بروم",
    "love 👨\u200d👩\u200d👧",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "ශ්\u200dරී ලංකා, क्\u200dष",
    "ភាសា\u200bខ្មែរ",
    "Donau\u00addampf\u00adschiff",
    "\u200fשלום\u200e, \u202bمرحبا\u202c",
    "\ufeffone file\u2060 behind another ❤\ufe0f",
])  # fmt: skip
def test_what_writing_systems_need_is_no_control_character(text):
    assert clean([text], max_control_share=0.0) == ([text], Counts())


@pytest.mark.parametrize("largest", [1024, 2000])
def test_pieces_keep_every_word_and_the_limit(largest):
    rng = random.Random(1)
    words = ["".join(rng.choices("abcé中😀", k=rng.randint(1, 30))) for _ in range(3000)]
    document = [" ".join(words[:1000]), *words[1000:2000], " ".join(words[2000:])]
    found = list(pieces(document, largest))
    assert " ".join(line for piece in found for line in piece).split() == words
    assert all(sum(len(line.encode()) for line in piece) <= largest for piece in found)
    assert len(found) < 2.5 * sum(len(line.encode()) for line in document) / largest
    assert list(pieces(["short"], largest)) == [["short"]]


def test_a_word_without_end_is_cut_anywhere():
    found = [line for piece in pieces(["é" * 5000], 1024) for line in piece]
    assert "".join(found) == "é" * 5000


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl", "a.csv"])
def test_large_documents_are_cut_in_every_format(tmp_path, name, monkeypatch):
    rng = random.Random(0)
    words = [f"w{rng.randint(0, 999)}" for _ in range(3000)]
    text = "\n".join(" ".join(words[at : at + 500]) for at in range(0, 3000, 500))
    path = tmp_path / name
    if name == "a.jsonl":
        write_jsonl(path, [text])
    elif name == "a.csv":
        path.write_text(f'text,id\n"{text}",1\n')
    else:
        write_text(path, [text])
    documents, counts = read_inputs(path, cleaning=Cleaning(max_document_bytes=4096))
    assert " ".join(line for document in documents for line in document).split() == words
    assert all(sum(map(len, document)) <= 4096 for document in documents)
    assert counts.cut_documents == len(documents) - 1 >= 3


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", ""])
def test_a_line_without_end_is_read_in_pieces(tmp_path, ending):
    words = [f"wörd{number}" for number in range(5000)]
    path = tmp_path / "a.txt"
    path.write_bytes((" ".join(words) + ending + "last line" + ending).encode())
    documents, counts = read_inputs(path, cleaning=Cleaning(max_document_bytes=2048))
    found = [line for document in documents for line in document]
    assert " ".join(found).split() == (
        [*words, "last", "line"] if ending else [*words[:-1], words[-1] + "last", "line"]
    )
    assert all(len(line.encode()) <= 2048 for line in found)
    assert (found[-1] == "last line") == bool(ending)
    assert counts.input_bytes == path.stat().st_size


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_line_that_cannot_be_cut_is_named_or_counted(tmp_path, name):
    cleaning = Cleaning(max_document_bytes=1024)
    texts = ["first", "x" * 5000, "last"]
    path = tmp_path / name
    if name == "a.jsonl":
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    else:
        path.write_text("text,id\n" + "".join(f"{text},1\n" for text in texts))
    with pytest.raises(DataError, match=rf"{name}, line \d: too long to be held") as caught:
        read_inputs(path, cleaning=cleaning)
    assert "--max-document-bytes" in caught.value.hint
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip")
    assert documents == [["first"], ["last"]]
    assert counts.too_long == 1


def test_counters_are_exact_and_in_the_manifest(tmp_path):
    documents = make_documents(40)
    odd = ["tiny", "e\u0301 " * 60, "\ufffd" * 50 + " a b c d", "\x08" * 50 + " a b c d"]
    path = write_text(tmp_path / "a.txt", [*documents, *odd, "tiny"])
    prepare(
        path, tmp_path / "out", vocab_size=300, min_length=20, nfc=True,
        max_replacement_share=0.1, max_control_share=0.1, validation_fraction=0.1,
    )  # fmt: skip
    counts = load_manifest(tmp_path / "out").counts
    assert counts.documents == 41
    assert counts.short_documents == 2
    assert counts.composed_documents == 1
    assert counts.replacement_documents == 1
    assert counts.control_documents == 1


def test_cleaning_away_everything_is_an_error(tmp_path):
    path = write_text(tmp_path / "a.txt", make_documents(3))
    with pytest.raises(DataError, match="3 left out by cleaning"):
        prepare(path, tmp_path / "out", vocab_size=300, min_length=100_000)


@pytest.mark.parametrize(("option", "value"), [
    ("min_length", -1), ("max_document_bytes", 1023), ("max_replacement_share", 1.0),
    ("max_control_share", -0.1),
])  # fmt: skip
def test_impossible_values(option, value):
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} is {value}"):
        Cleaning(**{option: value})


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_format_is_cut_at_the_same_lines(tmp_path, ending):
    documents = make_documents(30, lines=20)
    path = write_text(tmp_path / "a.txt", documents)
    path.write_bytes(path.read_bytes().replace(b"\n", ending.encode()))
    cleaning = Cleaning(max_document_bytes=1024)
    text = read_inputs(path, cleaning=cleaning)
    lines = read_inputs(write_jsonl(tmp_path / "a.jsonl", documents), cleaning=cleaning)
    assert text[0] == lines[0]
    assert text[1].cut_documents == lines[1].cut_documents > 20


def test_a_field_of_many_lines_that_is_too_long_is_one_fault(tmp_path):
    field = "\n".join(f'line {number}, with a comma and a ""quote""' for number in range(500))
    path = tmp_path / "a.csv"
    path.write_text(f'text,id\nfirst,1\n"{field}",2\nlast,3\n')
    cleaning = Cleaning(max_document_bytes=1024)
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip")
    assert documents == [["first"], ["last"]]
    assert (counts.too_long, counts.bad_rows) == (1, 0)
    with pytest.raises(DataError, match="too long to be held"):
        read_inputs(path, cleaning=cleaning)


def long_lines(alphabet, spaces, *, seed):
    """A document with three lines of 5,500 bytes, words and spaces of many lengths, one of none."""
    rng = random.Random(seed)

    def line(longest_word):
        text = ""
        while len(text.encode()) < 5500:
            text += "".join(rng.choices(alphabet, k=rng.randint(1, longest_word)))
            text += rng.choice(spaces) * rng.randint(1, 5) if longest_word < 1000 else ""
        return text.strip()

    return [line(10), "a short one", line(100), line(1000)]


ALPHABETS = ["ab", "aé", "é中", "a中😀", "😀"]


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("spaces", [" ", " \t", " \u3000\u00a0"])
def test_a_long_line_comes_in_the_same_pieces_from_every_format(tmp_path, alphabet, spaces):
    cleaning = Cleaning(max_document_bytes=5000)
    texts = ["\n".join(long_lines(alphabet, spaces, seed=seed)) for seed in range(3)]
    expected = None
    writers = WRITERS | {
        "a.jsonl": lambda texts: "".join(
            json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts
        ).encode()
    }
    for name, writer in writers.items():
        (tmp_path / name).write_bytes(writer(texts))
        found, counts = read_inputs(tmp_path / name, cleaning=cleaning)
        expected = expected or (found, counts.cut_documents)
        assert (found, counts.cut_documents) == expected
    documents, cuts = expected
    assert cuts == len(documents) - 3 > 6
    kept = "".join(line for document in documents for line in document)
    assert "".join(kept.split()) == "".join("".join(texts).split())
    sizes = [sum(len(line.encode()) for line in document) for document in documents]
    assert max(sizes) <= 5000


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("space", [" ", "\u3000"])
def test_white_space_around_a_long_line_changes_nothing(tmp_path, newline, space):
    cleaning = Cleaning(max_document_bytes=1024)
    line = " ".join(["word"] * 500)
    first, second, third = (line[:cut] for cut in (344, 1024, 2499))
    texts = [f"{first}\n{second}", f"{third}\nthe end", "x"]
    expected = read_inputs(write_jsonl(tmp_path / "a.jsonl", texts), cleaning=cleaning)[0]
    for length in (1, 341, 1023, 1024, 1025, 1028, 3000):
        padding = space * length
        lines = [padding + text + padding for text in (first, second, "", third, "the end", "")]
        (tmp_path / "a.txt").write_bytes(newline.join([*lines, "x"]).encode())
        # Spaces behind a line that was cut are no blank line, and a blank line is not lost.
        assert read_inputs(tmp_path / "a.txt", cleaning=cleaning)[0] == expected


@pytest.mark.parametrize("size", range(1018, 1032))
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_lines_of_about_the_largest_size(tmp_path, size, bom):
    cleaning = Cleaning(max_document_bytes=1024)
    text = ("word " * 300)[: size - 1] + "x"
    assert len(text) == size
    (tmp_path / "a.txt").write_text(bom + text)
    write_jsonl(tmp_path / "a.jsonl", [text])
    found = read_inputs(tmp_path / "a.txt", cleaning=cleaning)
    assert found[0] == read_inputs(tmp_path / "a.jsonl", cleaning=cleaning)[0]
    assert sum(map(len, found[0])) == (1 if size <= 1024 else 2)


def test_a_row_of_many_fields_has_a_limit_too(tmp_path):
    path = tmp_path / "a.csv"
    fields = [f'"{"y" * 1000}\nand ""more"", again"' for _ in range(50)]
    header = ",".join(["text", *(f"c{number}" for number in range(50))])
    blanks = "," * 50
    path.write_text(
        f"{header}\nfirst{blanks}\nlong,{','.join(fields)}\nlast{blanks}\n", encoding="utf-8"
    )
    cleaning = Cleaning(max_document_bytes=1024)
    documents, counts = read_inputs(path, cleaning=cleaning, on_error="skip")
    assert documents == [["first"], ["last"]]
    assert (counts.too_long, counts.bad_rows) == (1, 0)
    assert counts.input_bytes == path.stat().st_size
    with pytest.raises(DataError, match=r"a\.csv, line \d+: too long to be held"):
        read_inputs(path, cleaning=cleaning)
    assert len(read_inputs(path)[0]) == 3


def test_documents_of_many_lines_are_cut(tmp_path):
    """A line costs memory besides its text; every format cuts behind the same one.

    A row of a table of text never has so many.
    """
    most = MOST_LINES
    lines = [*(["x"] * most), *(["y"] * most), "z"]
    for name in WRITERS.keys() - {"a.csv", "a.tsv"}:
        (tmp_path / name).write_bytes(WRITERS[name](["\n".join(lines)]))
        documents, counts = read_inputs(tmp_path / name)
        assert documents == [lines[:most], lines[most : 2 * most], lines[2 * most :]], name
        assert counts.cut_documents == 2
        (tmp_path / name).write_bytes(WRITERS[name]([" \r\n".join(lines[:most]), "\n\n" * 99]))
        assert read_inputs(tmp_path / name)[0] == [lines[:most]]
