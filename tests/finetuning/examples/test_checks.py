"""What is refused and what is warned of before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.checks import check
from electra_cli.finetuning.examples.example import Answer, Question, Sentence, Split, TextExample
from electra_cli.finetuning.examples.labels import labels_of

TEXTS = TaskConfig()
NUMBERS = TaskConfig(kind="regression")
TAGS = TaskConfig(kind="tagging")
QUESTIONS = TaskConfig(kind="qa", max_length=384)


def split(name: str, examples: list[Any]) -> Split:
    return Split(name, Path(f"{name}.tsv"), tuple(examples))


def texts(name: str, *examples: tuple[str, Any]) -> Split:
    return split(
        name, [TextExample((t,), label, f"f, line {n}") for n, (t, label) in enumerate(examples, 2)]
    )


def tags(name: str, *sentences: str) -> Split:
    found = [tuple(sentence.split()) for sentence in sentences]
    words = [tuple(f"{name}{n}{w}" for w in range(len(of))) for n, of in enumerate(found)]
    return split(name, [Sentence(w, of, "f, line 1") for w, of in zip(words, found, strict=True)])


def checked(train: Split, dev: Split, task: TaskConfig) -> list[str]:
    return check(train, [dev], task, labels_of(train, task, [dev]))


TRAIN = texts("train", ("a", "0"), ("b", "1"))
GOOD = texts("dev", ("c", "0"), ("d", "1"))


def test_nothing_odd() -> None:
    assert checked(TRAIN, GOOD, TEXTS) == []
    assert checked(texts("train", ("a", 0.5), ("b", 1.0)), texts("dev", ("c", 9.0)), NUMBERS) == []


@pytest.mark.parametrize(
    ("train", "dev", "task", "message"),
    [
        (texts("train"), GOOD, TEXTS, "train.tsv has no examples for train"),
        (TRAIN, texts("dev"), TEXTS, "dev.tsv has no examples for dev"),
        (texts("train", ("a", "0"), ("b", "0")), GOOD, TEXTS, "train.tsv has one label only, '0'"),
        (tags("train", "O O"), tags("dev", "O"), TAGS, "train.tsv has one label only, 'O'"),
        (texts("train", ("a", 1.0), ("b", 1.0)), GOOD, NUMBERS,
         "the number to learn is 1.0 in all examples"),
        (texts("train", ("a", 1.0), ("b", 6.5)), GOOD,
         NUMBERS.model_copy(update={"labels": "0,5"}),
         "train.tsv: 1 number not between 0 and 5, as task.labels has them: line 3 (6.5)"),
        (texts("train", ("a", 1.0), ("b", 2.0)), texts("dev", ("c", 0.5)),
         NUMBERS.model_copy(update={"labels": "1,5"}),
         "dev.tsv: 1 number not between 1 and 5, as task.labels has them: line 2 (0.5)"),
        (TRAIN, texts("dev", ("c", "0"), ("d", "2"), ("e", "x"), ("f", "2")), TEXTS,
         "dev.tsv: 3 of 4 examples (75.0%) have labels that train.tsv lacks: '2' (2), 'x' (1)"),
        (tags("train", "N V"), tags("dev", "N X"), TAGS,
         "dev.tsv: 1 of 2 words (50.0%) have labels that train.tsv lacks: 'X' (1)"),
        (split("train", [Question("1", "q", "c", (), True, "f, 1")]), GOOD, QUESTIONS,
         "train.tsv: none of 1 question has an answer"),
        (tags("train", "N V X X"), tags("dev", "N V"), TAGS.model_copy(update={"labels": "N,V"}),
         "train.tsv has labels that task.labels lacks: 'X' (2)"),
        (tags("train", "N V"), tags("dev", "N X"), TAGS.model_copy(update={"labels": "N,V"}),
         "dev.tsv: 1 of 2 words (50.0%) have labels that train.tsv lacks: 'X' (1)"),
    ],
)  # fmt: skip
def test_refused(train: Split, dev: Split, task: TaskConfig, message: str) -> None:
    with pytest.raises(DataError) as error:
        checked(train, dev, task)
    assert message in error.value.message
    assert error.value.hint


def test_a_label_in_another_case() -> None:
    train = texts("train", ("a", "yes"), ("b", "no"))
    with pytest.raises(DataError) as error:
        checked(train, texts("dev", ("c", "Yes")), TEXTS)
    assert "did 'Yes' mean 'yes'?" in error.value.hint


def test_labels_without_examples() -> None:
    task = TaskConfig(labels="0,1,2")
    dev = texts("dev", ("c", "0"), ("d", "2"))
    assert checked(TRAIN, dev, task) == [
        "train.tsv has no example of '2', of task.labels",
        "dev.tsv: 1 of 2 examples (50.0%) have labels that train.tsv lacks: '2' (1); they will all "
        "be wrong",
    ]


@pytest.mark.parametrize("labels", [None, "N,V"])
def test_rare_tags_are_warned_of(labels: str | None) -> None:
    dev, task = tags("dev", "N " * 30 + "X"), TAGS.model_copy(update={"labels": labels})
    assert checked(tags("train", "N V"), dev, task) == [
        "dev.tsv: 1 of 31 words (3.2%) have labels that train.tsv lacks: 'X' (1); they will all be "
        "wrong"
    ]


def test_one_label_to_score() -> None:
    [warning] = checked(TRAIN, texts("dev", ("c", "0")), TEXTS)
    assert warning.startswith("dev.tsv has one label only, '0'")


def test_the_same_texts_and_empty_ones() -> None:
    dev = texts("dev", (".", "0"), (" a ", "1"), ("", "1"), ("\n \u200b\x07", "0"))
    assert checked(TRAIN, dev, TEXTS) == [
        "dev.tsv: 2 of 4 examples (50.0%) with an empty text, the first in line 4",
        "dev.tsv: 1 of 4 examples (25.0%) with the same text as in train.tsv, the first in line 3: "
        "scores on them say little",
    ]


def test_the_same_questions() -> None:
    ask = Question("1", "q", "c", (Answer("c", 0),), False, "f, data[0]")
    other = Question("2", "q", "d", (), True, "f, data[1]")
    [warning] = checked(split("train", [ask]), split("dev", [ask, other]), QUESTIONS)
    assert warning.startswith("dev.tsv: 1 of 2 examples (50.0%) with the same text")
