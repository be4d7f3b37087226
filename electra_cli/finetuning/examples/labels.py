"""The labels of a task, and how often examples have each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Question, Sentence, Split, TextExample
from electra_cli.finetuning.examples.schemes import found_scheme

ANSWERED, UNANSWERED = "has an answer", "has no answer"


def labels_of(train: Split, task: TaskConfig, dev: Sequence[Split] = ()) -> tuple[str, ...]:
    """The labels in the order of their numbers.

    Args:
      train: The training data.
      task: Whose `labels` are taken if they are set.
      dev: Data to score. Its tags get numbers too, as in the reference
        (finetune/tagging/tagging_tasks.py: `_get_label_mapping`): rare ones are often missing from
        training data, and are then never right.

    Returns:
      Sorted, as numbers if they are; of a regression the least and the greatest number; of
      questions none.
    """
    if task.kind == "qa":
        return ()
    if task.label_names is not None:
        return task.label_names
    if task.kind == "regression":
        numbers = [float(label) for label in each_label(train)]
        return repr(min(numbers)), repr(max(numbers))
    splits = (train, *dev) if task.kind == "tagging" else (train,)
    found = {str(label) for split in splits for label in each_label(split)}
    if all(label.removeprefix("-").isdecimal() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))


def scheme_of(train: Split, task: TaskConfig) -> Literal["none", "bio", "bioes", "io"]:
    """The scheme that the tags of training data are in; other data is to be read in the same.

    Args:
      train: As it was read with the task.
      task: Whose scheme is taken unless it is auto.
    """
    if task.scheme != "auto":
        return task.scheme
    tags = [e.tags for e in train.examples if isinstance(e, Sentence) and e.tags is not None]
    found = found_scheme(tags)
    return "bio" if found == "iob1" else found


def each_label(split: Split) -> Iterator[str | float]:
    """The label of each example, or of each word; of a question whether it has an answer."""
    for example in split.examples:
        if isinstance(example, Sentence):
            yield from example.tags or ()
        elif isinstance(example, Question):
            yield UNANSWERED if example.is_impossible else ANSWERED
        elif example.label is not None:
            yield example.label


def counts_of(split: Split) -> Counter[str]:
    """How often each label occurs."""
    return Counter(map(str, each_label(split)))


def texts_of(example: TextExample | Sentence | Question) -> tuple[str, ...]:
    """The texts that an example is about."""
    if isinstance(example, Sentence):
        return example.words
    if isinstance(example, Question):
        return example.question, example.context
    return example.texts
