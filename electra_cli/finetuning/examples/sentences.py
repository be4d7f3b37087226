"""Sentences of tagged words, from CoNLL's columns and CoNLL-U."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from electra_cli.config.finetune import TaskConfig
from electra_cli.config.nearest import nearest
from electra_cli.errors import DataError, counted
from electra_cli.finetuning.examples.conll import (
    COLUMNS,
    Words,
    column_sentences,
    is_conllu,
    universal_sentences,
)
from electra_cli.finetuning.examples.content import as_text, faulty
from electra_cli.finetuning.examples.example import Sentence, Split
from electra_cli.finetuning.examples.schemes import found_scheme, in_scheme, parts_of
from electra_cli.finetuning.examples.tables.table import column_number

_FORM, _UPOS = COLUMNS.index("form"), COLUMNS.index("upos")
_NOTHING = "_"


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
    text = as_text(content, path)
    if text.lstrip().startswith(("{", "[{")):
        raise DataError(
            f"{path} is JSON, and words with tags are read from CoNLL",
            hint="of lines with lists of tokens and tags "
            f"`jq -r '([.tokens, .tags] | transpose[] | @tsv), \"\"' {path} > {path.stem}.conll` "
            "makes it",
        )
    if universal is None:
        universal = is_conllu(text)
    notes: list[str] = []
    other = ""
    if universal:
        (sentences, other), width = universal_sentences(text, path), len(COLUMNS)
    else:
        sentences, width, notes = column_sentences(text, path)
    found = [("format", f"{'CoNLL-U' if universal else 'CoNLL'}, {counted(width, 'column')}")]
    if other:
        found.append(("passed over", other))
    place = _word_column(task.text, width, universal, path)
    words = _cells(sentences, place, path, "word")
    tags: list[tuple[str, ...]] | list[None] = [None] * len(words)
    if labelled and sentences:
        column = _tag_column(task.column, width, universal, path)
        shown = f"{COLUMNS[column]} (#{column + 1})" if universal else f"#{column + 1}"
        read = _cells(sentences, column, path, "tag")
        is_word = column == place
        if is_word or all(tag == _NOTHING for of_words in read for tag in of_words):
            what = "the words" if is_word else f"only {_NOTHING}"
            raise DataError(
                f"{path}: column {shown} has {what} where tags are needed; it is one of "
                f"{counted(width, 'column')}",
                hint="--column names another one",
            )
        tags, scheme = _in_scheme(read, sentences, task, path, notes)
        found += [("column", shown), ("scheme", scheme)]
    examples = tuple(
        Sentence(of_words, of_tags, f"{path}, line {sentence.lines[0]}")
        for of_words, of_tags, sentence in zip(words, tags, sentences, strict=True)
    )
    return Split(name, path, examples, tuple(found), tuple(notes))


def _cells(sentences: Sequence[Words], column: int, path: Path, noun: str) -> list[tuple[str, ...]]:
    """A column of each sentence.

    Raises:
      DataError: Some cells are empty.
    """
    faults = [
        f"line {line:,}"
        for sentence in sentences
        for row, line in zip(sentence.rows, sentence.lines, strict=True)
        if not row[column].strip()
    ]
    if faults:
        raise faulty(path, noun, "empty", faults, hint="fill it in, or take the line out")
    return [tuple(row[column] for row in sentence.rows) for sentence in sentences]


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
    sentences: Sequence[Words],
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
    found_there = wanted if found == "none" else found  # nothing but O fits any
    if found_there == wanted:
        if changed:
            notes.append(
                f"{counted(changed, 'tag')} not as {wanted.upper()} has them, and written anew"
            )
        return result, wanted.upper()
    return result, f"{found_there.upper()}, written as {wanted.upper()}"
