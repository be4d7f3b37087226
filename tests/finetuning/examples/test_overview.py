"""What splits hold, in numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import Question, Sentence, Split, TextExample
from electra_cli.finetuning.examples.overview import overview

NONE = {"train": 0.0}  # of the tokens are [UNK]


def texts(name: str, labels: list[str] | list[float]) -> Split:
    examples = tuple(
        TextExample((f"x{place}" if place else "",), label, "w")
        for place, label in enumerate(labels)
    )
    return Split(name, Path(name), examples, (("format", "CSV"),), ("a note",))


def test_texts() -> None:
    splits = [texts("train", ["b", "a", "b"]), texts("dev", ["a", "c"])]
    lengths = {"train": np.array([3, 128, 200]), "dev": np.array([129, 10])}
    found = overview(splits, lengths, {"train": 0.25, "dev": 0.0}, TaskConfig(), ("b", "a"))
    train, dev = found.splits
    assert (train.name, train.path, train.examples, train.words) == ("train", "train", 3, None)
    assert train.labels == (("b", 2), ("a", 1))
    assert dev.labels == (("b", 0), ("a", 1), ("c", 1))
    assert (train.median_length, train.longest, train.longer) == (128.0, 200, 1)
    assert (dev.longer, dev.share_longer) == (1, 0.5)
    assert (train.unknown, dev.unknown) == (0.25, 0.0)
    assert (train.empty, train.same_as_train, dev.same_as_train) == (1, 0, 2)
    assert (train.found, train.notes, train.numbers) == ((("format", "CSV"),), ("a note",), None)
    assert found.max_length == 128
    assert len(found.lengths) == 10
    first, last = found.lengths[0], found.lengths[-1]
    assert (first.least, first.most) == (3, 22)
    assert first.counts == {"train": 1, "dev": 1}
    assert last.least <= 200 <= last.most
    for name in lengths:
        assert sum(one.counts[name] for one in found.lengths) == len(lengths[name])


def test_few_lengths() -> None:
    lengths = {"train": np.array([7, 7, 8])}
    found = overview([texts("train", ["a"] * 3)], lengths, NONE, TaskConfig(), ("a",))
    assert [(one.least, one.most, one.counts["train"]) for one in found.lengths] == [
        (7, 7, 2),
        (8, 8, 1),
    ]


def test_numbers() -> None:
    task = TaskConfig(kind="regression")
    found = overview(
        [texts("train", [1.0, 2.0, 6.0])], {"train": np.ones(3, int)}, NONE, task, ("1", "6")
    )
    assert found.splits[0].numbers == (1.0, 3.0, 6.0)
    assert found.splits[0].labels == ()


def test_words_and_questions() -> None:
    sentences = Split("train", Path("t"), (Sentence(("a", "b"), ("N", "V"), "w"),))
    task = TaskConfig(kind="tagging")
    found = overview([sentences], {"train": np.array([4])}, NONE, task, ("N", "V"))
    assert (found.splits[0].words, found.splits[0].labels) == (2, (("N", 1), ("V", 1)))
    questions = Split("train", Path("t"), (Question("1", "q", "c", (), True, "w"),))
    task = TaskConfig(kind="qa", max_length=384)
    found = overview([questions], {"train": np.array([4])}, NONE, task, ())
    assert found.splits[0].labels == (("has no answer", 1),)
