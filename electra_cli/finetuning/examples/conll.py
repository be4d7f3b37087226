"""Sentences of tagged words: CoNLL's columns, and CoNLL-U (universaldependencies.org/format)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from electra_cli.config.finetune import TaskConfig
from electra_cli.config.nearest import nearest
from electra_cli.errors import DataError, counted
from electra_cli.finetuning.examples.content import as_text, faulty
from electra_cli.finetuning.examples.example import Sentence, Split
from electra_cli.finetuning.examples.schemes import found_scheme, in_scheme, parts_of
from electra_cli.finetuning.examples.tables.table import column_number

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_FORM, _UPOS = COLUMNS.index("form"), COLUMNS.index("upos")
_ID = re.compile(r"[1-9]\d*")
_RANGE = re.compile(r"[1-9]\d*-[1-9]\d*")
_EMPTY = re.compile(r"\d+\.[1-9]\d*")
_DOCUMENT = "-DOCSTART-"
_NOTHING = "_"


@dataclass
class _Words:
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


def read_sentences(
    content: bytes,
    path: Path,
    task: TaskConfig,
    *,
    name: str,
    labelled: bool,
    universal: bool | None,
) -> Split:
    """The sentences of a file.

    Args:
      content: The whole file.
      path: The file.
      task: The column of the tags, and the scheme that they are written in.
      name: Of the split.
      labelled: Whether tags are read.
      universal: Whether it is CoNLL-U; None: as its content says.

    Raises:
      DataError: Lines have other columns than the first, there is no such column, or tags are not
        of the scheme.
    """
    text = as_text(content, path).replace("\r\n", "\n")
    if universal is None:
        universal = is_conllu(text)
    notes: list[str] = []
    if universal:
        sentences, width = list(_universal(text, path, notes)), len(COLUMNS)
    else:
        sentences, width = _columns(text, path, notes)
    found = [("format", f"{'CoNLL-U' if universal else 'CoNLL'}, {counted(width, 'column')}")]
    words = _cells(sentences, _word_column(task.text, width, universal, path))
    _check_none_empty(words, sentences, path)
    tags: list[tuple[str, ...]] | list[None] = [None] * len(words)
    if labelled and sentences:
        column = _tag_column(task.column, width, universal, path)
        shown = f"{COLUMNS[column]} (#{column + 1})" if universal else f"#{column + 1}"
        read = _cells(sentences, column)
        if all(tag == _NOTHING for of_words in read for tag in of_words):
            raise DataError(
                f"{path}: column {shown} has no tags, only {_NOTHING}",
                hint="--column names another one",
            )
        tags, scheme = _in_scheme(read, sentences, task, path, notes)
        found += [("column", shown), ("scheme", scheme)]
    examples = tuple(
        Sentence(of_words, of_tags, f"{path}, line {sentence.lines[0]}")
        for of_words, of_tags, sentence in zip(words, tags, sentences, strict=True)
    )
    return Split(name, path, examples, tuple(found), tuple(notes))


def _cells(sentences: Sequence[_Words], column: int) -> list[tuple[str, ...]]:
    return [tuple(row[column] for row in sentence.rows) for sentence in sentences]


def _check_none_empty(
    words: Sequence[Sequence[str]], sentences: Sequence[_Words], path: Path
) -> None:
    """Makes sure that each word is one.

    Raises:
      DataError: Some are empty.
    """
    faults = [
        f"line {line:,}"
        for of_words, sentence in zip(words, sentences, strict=True)
        for word, line in zip(of_words, sentence.lines, strict=True)
        if not word
    ]
    if faults:
        raise faulty(path, "word", "empty", faults, hint="fill it in, or take the line out")


def _universal(text: str, path: Path, notes: list[str]) -> Iterator[_Words]:
    """The sentences of CoNLL-U: its words, without the tokens of several and what is not said."""
    passed_over: Counter[str] = Counter()
    odd: list[str] = []
    found = _Words()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            if found.rows:
                yield found
            found = _Words()
        elif not line.startswith("#"):
            fields = line.split("\t")
            if len(fields) != len(COLUMNS):
                odd.append(f"line {number:,} has {len(fields):,}")
            elif _ID.fullmatch(fields[0]):
                found.add(number, fields)
            elif _RANGE.fullmatch(fields[0]):
                passed_over["token"] += 1
            elif _EMPTY.fullmatch(fields[0]):
                passed_over["empty"] += 1
            else:
                odd.append(f"line {number:,} begins with {fields[0][:20]!r}, no number")
    if found.rows:
        yield found
    if odd:
        raise faulty(
            path,
            "line",
            f"without the {len(COLUMNS)} columns of CoNLL-U, separated by tabs",
            odd,
            hint="mend them; --set task.format=conll reads any columns",
        )
    if tokens := passed_over["token"]:
        notes.append(f"{counted(tokens, 'token')} of several words, which are tagged one by one")
    if empty := passed_over["empty"]:
        notes.append(f"{counted(empty, 'empty node')} passed over")


def _columns(text: str, path: Path, notes: list[str]) -> tuple[list[_Words], int]:
    """The sentences of CoNLL's columns, and how many columns there are.

    A # is a word like any other, unless the line begins a sentence and has other columns.
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
    sentences = [_Words()]
    for number, line in enumerate(lines, start=1):
        found = sentences[-1]
        if not line.strip() or line.startswith(_DOCUMENT):
            if found.rows:
                sentences.append(_Words())
            continue
        fields = _fields(line, separator)
        if len(fields) == width:
            found.add(number, fields)
        elif line.startswith("#") and not found.rows:
            comments += 1
        else:
            odd.append(f"line {number:,} has {len(fields):,}")
    if odd:
        raise faulty(
            path,
            "line",
            f"without the {counted(width, 'column')} of the first",
            odd,
            hint="give each word a line with all columns, and end sentences by a blank line",
        )
    if comments:
        notes.append(f"{counted(comments, 'comment')} passed over")
    return [found for found in sentences if found.rows], width


def _fields(line: str, separator: str) -> list[str]:
    """The columns of a line; spaces may be several, tabs are each one."""
    if separator == "\t":
        return [part.strip() for part in line.split("\t")]
    return [part for part in line.strip().split(" ") if part]


def _tag_column(name: str, width: int, universal: bool, path: Path) -> int:
    """Which column has the tags, from 0.

    Raises:
      DataError: There is none of the name.
    """
    if name == "auto":
        return _UPOS if universal else max(width - 1, 0)
    number = column_number(name)
    if number is not None and number < width:
        return number
    if universal and name.lower() in COLUMNS:
        return COLUMNS.index(name.lower())
    if universal:
        near = nearest(name, COLUMNS)
        raise DataError(
            f"{path}: no column {name!r} in CoNLL-U; the columns are: {', '.join(COLUMNS)}",
            hint=f"did you mean --column {near}?" if near else "--column upos, for example",
        )
    raise DataError(
        f"{path}: no column {name!r}; it has {counted(width, 'column')}, #1 to #{width}",
        hint=f"--column '#{width}' is the last; names are for CoNLL-U alone",
    )


def _word_column(name: str, width: int, universal: bool, path: Path) -> int:
    """Which column has the words, from 0: that of `task.text` if it is a number."""
    number = column_number(name)
    if number is None:
        return _FORM if universal else 0
    if number >= width:
        raise DataError(
            f"{path}: no column {name}; it has {counted(width, 'column')}",
            hint="--text '#1', for example, says which column has the words",
        )
    return number


def _in_scheme(
    tags: list[tuple[str, ...]],
    sentences: Sequence[_Words],
    task: TaskConfig,
    path: Path,
    notes: list[str],
) -> tuple[list[tuple[str, ...]], str]:
    """The tags in the scheme that is learned, and what was found, for people.

    Raises:
      DataError: Tags are not of the scheme.
    """
    found = found_scheme(tags) if task.scheme != "none" else "none"
    wanted = found if task.scheme == "auto" else task.scheme
    if wanted == "iob1":
        wanted = "bio"
    if wanted == "none":
        return tags, "each tag for itself"
    if task.scheme == "io":  # whose tags may be types alone
        tags = [tuple(t if parts_of(t) else f"I-{t}" for t in of_words) for of_words in tags]
    foreign = {tag for of_words in tags for tag in of_words if parts_of(tag) is None}
    if foreign:
        faults = [
            f"line {line:,} ({tag!r})"
            for of_words, sentence in zip(tags, sentences, strict=True)
            for tag, line in zip(of_words, sentence.lines, strict=True)
            if tag in foreign
        ]
        raise faulty(
            path,
            "tag",
            f"neither O nor of the form B-TYPE, as {wanted.upper()} has them",
            faults,
            hint="mend them, name another --column, or --set task.scheme=none if each tag stands "
            "for itself",
        )
    result = [in_scheme(of_words, wanted) for of_words in tags]
    changed = sum(
        before != after
        for old, new in zip(tags, result, strict=True)
        for before, after in zip(old, new, strict=True)
    )
    if changed:
        notes.append(f"{counted(changed, 'tag')} written anew in {wanted.upper()}")
    found_there = wanted if found == "none" else found  # nothing but O fits any
    if found_there == wanted:
        return result, wanted.upper()
    return result, f"{found_there.upper()}, written as {wanted.upper()}"
