"""A score after pretraining is better than one from random weights: where that is known to be so.

A made language has two kinds of words, and a sentence has words of one kind alone. Training data
shows a few words of each kind, data to score only others: what they have in common is learned by
pretraining, and nowhere else.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from electra_cli.cli.app import run
from tests.conftest import Electra
from tests.prepared import prepare

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
_KINDS = ("land", "sea")
_SHOWN = 15  # words of a kind that training data has
_SIZES = (
    "objective.name=mlm",
    "model.hidden_size=64",
    "model.embedding_size=64",
    "model.num_layers=1",
    "model.num_attention_heads=2",
    "model.intermediate_size=128",
    "model.max_position_embeddings=32",
    "data.sequence_length=32",
    "optimizer.learning_rate=3e-3",
    "train.evaluate_every=700",
    "train.checkpoint_every=700",
    "train.log_every=700",
    "runtime.precision=float32",
)

Words = Sequence[Sequence[str]]


@pytest.fixture(scope="module")
def words() -> Words:
    chosen = random.Random(0)
    made = sorted({"".join(chosen.choices(_SYLLABLES, k=3)) for _ in range(200)})
    chosen.shuffle(made)
    return made[:60], made[60:120]


@pytest.fixture(scope="module")
def pretrained(words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 700 steps on 12,000 sentences."""
    folder = tmp_path_factory.mktemp("language")
    chosen = random.Random(1)
    with (folder / "text.jsonl").open("w") as file:
        for number in range(3000):
            lines = [" ".join(chosen.choices(words[number % 2], k=10)) for _ in range(4)]
            file.write(json.dumps({"text": "\n".join(lines)}) + "\n")
    prepare(
        inputs=folder / "text.jsonl",
        output=folder / "data",
        vocab_size=400,
        sequence_length=32,
        workers=1,
        validation_fraction=0.02,
        seed=0,
    )
    arguments = ["pretrain", "--preset", "tiny", "--data", str(folder / "data"), "--steps", "700"]
    arguments += ["--model-dir", str(folder / "run"), "--device", "cpu", "--quiet"]
    assert run([*arguments, *(part for size in _SIZES for part in ("--set", size))]) == 0
    return folder / "run"


def write_sentences(path: Path, words: Words, number: int, *, seed: int) -> None:
    chosen = random.Random(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for row in range(number):
            rows.writerow([" ".join(chosen.choices(words[row % 2], k=8)), _KINDS[row % 2]])


def write_tags(path: Path, words: Words, number: int, *, seed: int) -> None:
    chosen = random.Random(seed)
    with path.open("w") as file:
        for row in range(number):
            lines = [f"{word} {_KINDS[row % 2]}\n" for word in chosen.choices(words[row % 2], k=8)]
            file.write("".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "ending", "write"),
    [("classification", "csv", write_sentences), ("tagging", "conll", write_tags)],
)
def test_pretraining_helps(
    electra: Electra,
    pretrained: Path,
    words: Words,
    tmp_path: Path,
    task: str,
    ending: str,
    write: object,
) -> None:
    assert callable(write)
    write(tmp_path / f"train.{ending}", [kind[:_SHOWN] for kind in words], 64, seed=2)
    write(tmp_path / f"dev.{ending}", [kind[_SHOWN:] for kind in words], 100, seed=3)
    arguments = ["--task", task, "--output", tmp_path / "out", "--seeds", 3, "--random"]
    arguments += ["--train", tmp_path / f"train.{ending}", "--dev", tmp_path / f"dev.{ending}"]
    arguments += ["--max-length", 32, "--batch-size", 8, "--epochs", 8, "--learning-rate", 1e-3]
    found = electra("finetune", pretrained, *arguments, "--precision", "float32", "--json").json
    model, untrained = found["columns"]
    noise = model["standard_deviation"] + untrained["standard_deviation"]
    assert model["mean"] - untrained["mean"] > noise
    assert model["mean"] > 0.9
    assert untrained["mean"] < 0.7
    assert "more than the sum of both standard deviations" in " ".join(found["verdict"])
