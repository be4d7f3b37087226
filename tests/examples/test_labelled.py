"""The labelled files in examples/labelled are what the guide says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import load_config
from electra_cli.finetuning.examples.checks import check
from electra_cli.finetuning.examples.labels import counts_of, labels_of
from electra_cli.finetuning.examples.readers import read_split
from tests.places import ROOT

LABELLED = ROOT / "examples" / "labelled"
TOPICS = ("computer", "kitchen")
TAGS = ("B-FOOD", "B-TIME", "B-TOOL", "I-FOOD", "I-TIME", "I-TOOL", "O")


@pytest.mark.parametrize(
    ("task", "train", "dev", "sizes", "labels"),
    [
        (LABELLED / "topic.yaml", "topic-train.csv", "topic-dev.csv", (160, 60), TOPICS),
        (Path("tagging"), "food-train.conll", "food-dev.conll", (32, 10), TAGS),
    ],
    ids=["topic", "food"],
)
def test_files_are_sound(
    task: Path, train: str, dev: str, sizes: tuple[int, int], labels: tuple[str, ...]
) -> None:
    config = load_config(FinetuneConfig, preset=str(task), environment={}).config
    splits = [
        read_split(LABELLED / file, config.task, name=name)
        for name, file in (("train", train), ("dev", dev))
    ]
    assert tuple(len(split.examples) for split in splits) == sizes
    found = labels_of(splits[0], config.task, splits[1:])
    assert found == labels
    assert all(set(counts_of(split)) <= set(labels) for split in splits)
    assert check(splits[0], splits[1:], config.task, found) == []  # nothing odd, nothing in both
    assert not any(split.notes for split in splits)


def test_topics_are_balanced() -> None:
    config = load_config(FinetuneConfig, preset=str(LABELLED / "topic.yaml"), environment={}).config
    for name, of_each in (("train", 80), ("dev", 30)):
        split = read_split(LABELLED / f"topic-{name}.csv", config.task, name=name)
        assert counts_of(split) == dict.fromkeys(TOPICS, of_each)
