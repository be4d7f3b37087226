"""Which labels there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Sentence, Split, TextExample
from electra_cli.finetuning.examples.labels import labels_of, scheme_of


def texts(*labels: str | float) -> Split:
    return Split("train", Path("t"), tuple(TextExample(("x",), label, "t") for label in labels))


def tags(*sentences: str) -> Split:
    found = (tuple(sentence.split()) for sentence in sentences)
    return Split("train", Path("t"), tuple(Sentence(of, of, "t") for of in found))


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (("b", "a", "b"), ("a", "b")),
        (("10", "9", "-1"), ("-1", "9", "10")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("1.5", "1"), ("1", "1.5")),
    ],
)
def test_sorted(labels: tuple[str, ...], order: tuple[str, ...]) -> None:
    assert labels_of(texts(*labels), TaskConfig()) == order


def test_given() -> None:
    assert labels_of(texts("a"), TaskConfig(labels="b, a")) == ("b", "a")


def test_range_of_numbers() -> None:
    task = TaskConfig(kind="regression")
    assert labels_of(texts(2.5, -1.0, 3.0), task) == ("-1.0", "3.0")
    assert labels_of(texts(2.5), task.model_copy(update={"labels": "0,5"})) == ("0", "5")


def test_tags_of_data_to_score_get_numbers_too() -> None:
    task = TaskConfig(kind="tagging")
    assert labels_of(tags("B O"), task, [tags("A")]) == ("A", "B", "O")
    assert labels_of(texts("b"), TaskConfig(), [texts("a")]) == ("b",)


def test_scheme() -> None:
    task = TaskConfig(kind="tagging")
    assert scheme_of(tags("B-A I-A", "O"), task) == "bio"
    assert scheme_of(tags("NN VB"), task) == "none"
    assert scheme_of(tags("NN VB"), task.model_copy(update={"scheme": "io"})) == "io"
