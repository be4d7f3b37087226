"""The lines of CoNLL's columns, and of CoNLL-U (universaldependencies.org/format)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from electra_cli.errors import DataError, counted
from electra_cli.finetuning.examples.content import faulty

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_ID = re.compile(r"[1-9]\d*")
_RANGE = re.compile(r"[1-9]\d*-[1-9]\d*")
_EMPTY = re.compile(r"\d+\.[1-9]\d*")
_DOCUMENT = "-DOCSTART-"


@dataclass
class Words:
    """The lines of a sentence that are words.

    Attributes:
      lines: Their numbers.
      rows: Their columns.
    """

    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def add(self, line: int, row: list[str]) -> None:
        """Adds a word."""
        self.lines.append(line)
        self.rows.append(row)


def is_conllu(text: str) -> bool:
    """Whether the first line that is no comment has the columns of CoNLL-U."""
    for line in text[: 2**16].split("\n"):
        if line.strip() and not line.startswith("#"):
            fields = line.split("\t")
            return len(fields) == len(COLUMNS) and bool(
                _ID.fullmatch(fields[0]) or _RANGE.fullmatch(fields[0])
            )
    return False


def universal_sentences(text: str, path: Path) -> tuple[list[Words], str]:
    """The words of CoNLL-U, and what it has besides: tokens of several words, and empty nodes.

    Raises:
      DataError: Lines have other columns.
    """
    passed_over: Counter[str] = Counter()
    odd: list[str] = []
    sentences = [Words()]
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            if sentences[-1].rows:
                sentences.append(Words())
        elif not line.startswith("#"):
            fields = _fields(line, "\t")
            if len(fields) != len(COLUMNS):
                odd.append(f"line {number:,} has {len(fields):,}")
            elif _ID.fullmatch(fields[0]):
                sentences[-1].add(number, fields)
            elif _RANGE.fullmatch(fields[0]):
                passed_over["token"] += 1
            elif _EMPTY.fullmatch(fields[0]):
                passed_over["empty"] += 1
            else:
                odd.append(f"line {number:,} begins with {fields[0][:20]!r}, no number")
    if odd:
        raise faulty(
            path,
            "line",
            f"without the {len(COLUMNS)} columns of CoNLL-U, separated by tabs",
            odd,
            hint="mend them; --set task.format=conll reads any columns",
        )
    other = []
    if tokens := passed_over["token"]:
        other.append(f"{counted(tokens, 'token')} of several words")
    if empty := passed_over["empty"]:
        other.append(counted(empty, "empty node"))
    return [found for found in sentences if found.rows], ", ".join(other)


def column_sentences(text: str, path: Path) -> tuple[list[Words], int, list[str]]:
    """The words of CoNLL's columns, how many columns there are, and notes.

    A # is a word like any other, unless the line begins a sentence and has other columns.

    Raises:
      DataError: Lines have other columns than the first word, as those of CSV may.
    """
    lines = text.split("\n")
    first = next(
        (line for line in lines if line.strip() and not line.startswith((_DOCUMENT, "#"))),
        next((line for line in lines if line.strip()), ""),
    )
    separator = "\t" if "\t" in first else " "
    width = len(_fields(first, separator))
    comments = 0
    odd: list[str] = []
    sentences = [Words()]
    for number, line in enumerate(lines, start=1):
        found = sentences[-1]
        if not line.strip() or line.startswith(_DOCUMENT):
            if found.rows:
                sentences.append(Words())
            continue
        fields = _fields(line, separator)
        if len(fields) == width:
            found.add(number, fields)
        elif line.startswith("#") and not found.rows:
            comments += 1
        else:
            odd.append(f"line {number:,} has {len(fields):,}")
    if odd and "," in first:
        raise DataError(
            f"{path} looks like CSV, and words with tags are read from CoNLL",
            hint="give each word a line with its tag, and end sentences by a blank line; a label "
            "for each text is --task classification",
        )
    if odd:
        raise faulty(
            path,
            "line",
            f"without the {counted(width, 'column')} of the first",
            odd,
            hint="give each word a line with all columns, and end sentences by a blank line",
        )
    notes = [f"{counted(comments, 'comment')} passed over"] if comments else []
    return [found for found in sentences if found.rows], width, notes


def _fields(line: str, separator: str) -> list[str]:
    """The columns of a line; spaces may be several, tabs are each one."""
    if separator == "\t":
        return [part.strip() for part in line.split("\t")]
    return [part for part in line.strip().split(" ") if part]
