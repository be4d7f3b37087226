"""Checks of labelled data before anything is trained on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from electra_cli.config.finetune import TaskConfig
from electra_cli.config.nearest import nearest
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.errors import DataError, counted, listed
from electra_cli.finetuning.examples.content import MOST_SHOWN, faulty
from electra_cli.finetuning.examples.example import Example, Split, TextExample
from electra_cli.finetuning.examples.labels import (
    ANSWERED,
    counts_of,
    each_label,
    texts_of,
)

# Of the words to score: tags that training data lacks are a rarity, or other tags.
_MOST_UNSEEN = 0.05
_MOST_LABELS = 10  # in a hint
_SPLIT = WordSplitter(lowercase=True, strip_accents=True)


def check(train: Split, dev: Sequence[Split], task: TaskConfig, labels: Sequence[str]) -> list[str]:
    """Checks that data can be trained on and scored.

    Args:
      train: The training data.
      dev: The data to score.
      task: What is learned.
      labels: In the order of their numbers, see `labels_of`.

    Returns:
      What is odd, a sentence each, with numbers.

    Raises:
      DataError: A split is empty, the training data has one label only, or data to score has
        labels that the training data lacks.
    """
    for split in (train, *dev):
        if not split.examples:
            raise DataError(
                f"{split.path} has no examples for {split.name}", hint="name another file"
            )
    if task.kind == "regression":
        _check_numbers(train, dev, task)
        warnings = []
    else:
        warnings = list(_label_warnings(train, dev, task, labels))
    for split in (train, *dev):
        if empty := empty_texts(split):
            warnings.append(
                f"{split.path}: {_share(len(empty), split)} with an empty text, the first in "
                f"{_line(empty[0])}"
            )
    for split in dev:
        if same := same_texts(split, train):
            warnings.append(
                f"{split.path}: {_share(len(same), split)} with the same text as in {train.path}, "
                f"the first in {_line(same[0])}: scores on them say little"
            )
    return warnings


def empty_texts(split: Split) -> list[Example]:
    """The examples of which a text has no token: it is empty, of white space or of controls."""
    return [e for e in split.examples if not all(map(_has_token, texts_of(e)))]


def _has_token(text: str) -> bool:
    return text[:1].isalnum() or any(any(_SPLIT.parts(word)) for word in text.split())


def same_texts(split: Split, train: Split) -> list[Example]:
    """The examples whose texts are those of an example of the training data."""
    known = {_key(example) for example in train.examples}
    return [example for example in split.examples if _key(example) in known]


def _key(example: Example) -> tuple[str, ...]:
    return tuple(" ".join(text.split()) for text in texts_of(example))


def _label_warnings(
    train: Split, dev: Sequence[Split], task: TaskConfig, labels: Sequence[str]
) -> Iterator[str]:
    seen = counts_of(train)
    if task.kind == "qa":
        if ANSWERED not in seen:
            raise DataError(
                f"{train.path}: none of {counted(len(train.examples), 'question')} has an answer",
                hint="train on questions with answers too",
            )
        return
    if len(seen) < 2:
        raise DataError(
            f"{train.path} has one label only, {next(iter(seen), '')!r}",
            hint="a task needs two; --label names the column (of tags --column)",
        )
    foreign = [f"{label!r} ({n:,})" for label, n in seen.most_common() if label not in labels]
    if foreign:
        raise DataError(
            f"{train.path} has labels that task.labels lacks: {listed(foreign, MOST_SHOWN)}",
            hint="add them to task.labels; or --set task.labels=null takes those of the data",
        )
    never = [repr(label) for label in task.label_names or () if label not in seen]
    if never:
        yield f"{train.path} has no example of {listed(never, MOST_SHOWN)}, of task.labels"
    for split in dev:
        has_number = () if task.kind == "tagging" else labels
        yield from unknown_labels(split, seen, f"{train.path} lacks", task, allowed=has_number)
        there = counts_of(split)
        if len(there) == 1:
            yield (
                f"{split.path} has one label only, {next(iter(there))!r}: whoever always says it "
                "is always right"
            )


def unknown_labels(
    split: Split,
    known: Collection[str],
    whose: str,
    task: TaskConfig,
    *,
    allowed: Collection[str] = (),
) -> Iterator[str]:
    """A warning for labels to score that no prediction can be, so that it will be wrong.

    Args:
      split: The data to score.
      known: The labels that were learned.
      whose: What does not know others, in words: train.tsv lacks.
      task: Of a tagging a few words may have other labels.
      allowed: Labels that may be there though nothing was learned of them.

    Raises:
      DataError: Others are there, or many.
    """
    counts = counts_of(split)
    unknown = {label: number for label, number in counts.most_common() if label not in known}
    if not unknown:
        return
    total, number = counts.total(), sum(unknown.values())
    is_tagging = task.kind == "tagging"
    shown = listed([f"{label!r} ({n:,})" for label, n in unknown.items()], MOST_SHOWN)
    what = (
        f"{split.path}: {number:,} of {total:,} {'words' if is_tagging else 'examples'} "
        f"({number / total:.1%}) have labels that {whose}: {shown}"
    )
    if number > _MOST_UNSEEN * total if is_tagging else not set(unknown) <= set(allowed):
        first = next(iter(unknown))
        near = nearest(first, known)
        hint = f"did {first!r} mean {near!r}? " if near else ""
        raise DataError(
            what,
            hint=f"{hint}Known are {listed(sorted(known), _MOST_LABELS)}; label the data so, or "
            "take those examples out",
        )
    yield f"{what}; they will all be wrong"


def _check_numbers(train: Split, dev: Sequence[Split], task: TaskConfig) -> None:
    """Makes sure that the numbers of a regression differ, and are in the range of `task.labels`.

    Raises:
      DataError: It is not so.
    """
    numbers = set(each_label(train))
    if len(numbers) < 2:
        raise DataError(
            f"{train.path}: the number to learn is {next(iter(numbers))} in all examples",
            hint="--label names its column",
        )
    if task.label_names is None:
        return
    ends = [float(label) for label in task.label_names]
    for split in (train, *dev):
        faults = [
            f"{_line(e)} ({e.label})"
            for e in split.examples
            if isinstance(e, TextExample)
            and e.label is not None
            and not min(ends) <= float(e.label) <= max(ends)
        ]
        if faults:
            raise faulty(
                split.path,
                "number",
                f"not between {min(ends):g} and {max(ends):g}, as task.labels has them",
                faults,
                hint="mend them, or --set task.labels=LEAST,GREATEST",
            )


def _share(number: int, split: Split) -> str:
    total = len(split.examples)
    return f"{number:,} of {counted(total, 'example')} ({number / total:.1%})"


def _line(example: Example) -> str:
    return example.where.rpartition(", ")[2]
