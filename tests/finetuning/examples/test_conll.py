"""Sentences of tagged words in columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.readers import read_split

COLUMNS = """-DOCSTART- -X- O

EU  NNP B-ORG
rejects VBZ O

# NN O
Peter NNP B-PER
Bob NNP I-PER
"""


def universal(*rows: str) -> str:
    """Lines of CoNLL-U from id, form and part of speech."""
    fields = [row.split() for row in rows]
    lines = ["\t".join([*f[:2], "lemma", f[2], "_", "_", "0", "dep", "_", "_"]) for f in fields]
    return "# text = x\n" + "\n".join(lines) + "\n\n"


UNIVERSAL = universal("1-2 don't _", "1 do AUX", "2 n't PART", "2.1 x _") + universal("1 # SYM")


def read(path: Path, content: str, labelled: bool = True, **task: Any) -> Split:
    path.write_bytes(content.encode())
    return read_split(path, TaskConfig(kind="tagging", **task), name="train", labelled=labelled)


@pytest.mark.parametrize("change", [("", ""), ("\n", "\r\n"), (" ", "\t")])
def test_columns(change: tuple[str, str], tmp_path: Path) -> None:
    content = COLUMNS.replace("  ", " ").replace(*change) if change[0] else COLUMNS
    split = read(tmp_path / "a.txt", content)
    assert [e.words for e in split.examples] == [("EU", "rejects"), ("#", "Peter", "Bob")]
    assert split.examples[1].tags == ("O", "B-PER", "I-PER")
    assert split.examples[1].where == f"{tmp_path / 'a.txt'}, line 6"
    assert split.found == (("format", "CoNLL, 3 columns"), ("column", "#3"), ("scheme", "BIO"))
    assert split.notes == ()


def test_other_columns(tmp_path: Path) -> None:
    split = read(tmp_path / "a.txt", COLUMNS, column="#2")
    assert split.examples[0].tags == ("NNP", "VBZ")
    assert split.found[1:] == (("column", "#2"), ("scheme", "each tag for itself"))
    split = read(tmp_path / "a.txt", "1 EU B-ORG\n2 x O\n", text="#2")
    assert split.examples[0].words == ("EU", "x")


def test_comments_begin_sentences(tmp_path: Path) -> None:
    split = read(tmp_path / "a.txt", "# id 5 of 6\nEU B-ORG\n# O\n")
    assert split.examples[0].words == ("EU", "#")
    assert split.notes == ("1 comment passed over",)


def test_words_alone_are_predicted(tmp_path: Path) -> None:
    split = read(tmp_path / "a.txt", "EU\nrejects\n\nPeter\n", labelled=False)
    assert [(e.words, e.tags) for e in split.examples] == [
        (("EU", "rejects"), None),
        (("Peter",), None),
    ]


@pytest.mark.parametrize("name", ["a.conllu", "a.txt"])
@pytest.mark.parametrize("column", ["auto", "upos", "UPOS", "#4"])
def test_universal(name: str, column: str, tmp_path: Path) -> None:
    split = read(tmp_path / name, UNIVERSAL, column=column)
    assert [(e.words, e.tags) for e in split.examples] == [
        (("do", "n't"), ("AUX", "PART")),
        (("#",), ("SYM",)),
    ]
    assert split.examples[0].where == f"{tmp_path / name}, line 3"
    assert split.found == (
        ("format", "CoNLL-U, 10 columns"),
        ("passed over", "1 token of several words, 1 empty node"),
        ("column", "upos (#4)"),
        ("scheme", "each tag for itself"),
    )
    assert split.notes == ()


def test_last_column_of_universal_with_ends_of_windows(tmp_path: Path) -> None:
    content = universal("1 x X").replace("_\n", "tag\n").replace("\n", "\r\n")
    assert read(tmp_path / "a.conllu", content, column="misc").examples[0].tags == ("tag",)


@pytest.mark.parametrize(
    ("content", "task", "tags", "found", "note"),
    [
        ("a B-X\nb I-X\n", {"scheme": "bioes"}, ("B-X", "E-X"), "BIO, written as BIOES", None),
        ("a I-X\nb B-X\n", {}, ("B-X", "B-X"), "IOB1, written as BIO", None),
        ("a I-X\nb O\nc B-X\n", {}, ("B-X", "O", "B-X"), "BIO", "1 tag not as BIO has them"),
        ("a S-X\nb O\n", {}, ("S-X", "O"), "BIOES", None),
        ("a U-X\nb O\n", {}, ("S-X", "O"), "BIOES", "1 tag not as BIOES has them"),
        ("a I-X\nb I-X\n", {}, ("I-X", "I-X"), "IO", None),
        ("a X\nb O\n", {"scheme": "io"}, ("I-X", "O"), "IO", None),
        ("a O\nb O\n", {"scheme": "bio"}, ("O", "O"), "BIO", None),
        ("a B-X\nb O\n", {"scheme": "none"}, ("B-X", "O"), "each tag for itself", None),
        ("a NN\nb O\n", {}, ("NN", "O"), "each tag for itself", None),
    ],
)
def test_schemes(
    content: str, task: Any, tags: Any, found: str, note: str | None, tmp_path: Path
) -> None:
    split = read(tmp_path / "a.txt", content, **task)
    assert split.examples[0].tags == tags
    assert split.found[-1] == ("scheme", found)
    assert [n[: len(note or "")] for n in split.notes] == ([note] if note else [])


@pytest.mark.parametrize(
    ("content", "task", "message", "hint"),
    [
        ("a x O\nb O\nc x O\nd x y O\n", {}, "2 lines without the 3 columns of the first: line 2 "
         "has 2; line 4 has 4", "blank line"),
        ("text,topic\na b c,x\nd e,y\n", {}, "looks like CSV", "--task classification"),
        ("a O\n# b O\n", {}, "1 line without the 2 columns of the first: line 2 has 3", "blank"),
        ("a\tB-X\n\tO\n", {}, "1 word empty: line 2", "fill it in"),
        ("a B-X\nb O\nc BX\n", {}, "1 tag neither O nor of the form B-TYPE, as BIO has them: "
         "line 3 ('BX')", "task.scheme=none"),
        ("a NN\nb VB\n", {"scheme": "bio"}, "2 tags neither O", "name another --column"),
        ("good\nday\n", {}, "column #1 has the words where tags are needed; it is one of 1 column",
         "--column"),
        ("a\tNN\nb\t\n", {}, "1 tag empty: line 2", "fill it in"),
        ('{"tokens": ["a"], "tags": ["NN"]}', {}, "is JSON", "jq -r"),
        ("a NN\n", {"column": "#3"}, "no column '#3'; it has 2 columns, #1 to #2", "'#2'"),
        ("a NN\n", {"column": "upos"}, "no column 'upos'", "CoNLL-U"),
        ("a NN\n", {"text": "#3"}, "no column #3", "--text '#1'"),
        (UNIVERSAL, {"column": "xposs"}, "the columns are: id, form, lemma, upos, xpos, feats, "
         "head, deprel, deps, misc", "did you mean --column xpos?"),
        (UNIVERSAL, {"column": "feats"}, "column feats (#6) has only _ where tags are",
         "another"),
        (UNIVERSAL + "1\tx\n", {}, "1 line without the 10 columns of CoNLL-U, separated by tabs: "
         "line 10 has 2", "mend"),
        (UNIVERSAL + universal("x y z"), {}, "line 11 begins with 'x', no number", "mend"),
        ("\n \n", {}, "has no examples for train", "head"),
    ],
)  # fmt: skip
def test_faults(content: str, task: Any, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / "a.txt", content, **task)
    assert message in error.value.message
    assert hint in error.value.hint
