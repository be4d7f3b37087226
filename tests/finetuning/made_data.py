"""Small labelled files that a small model can learn something from."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.config.finetune import Kind

_WORDS = ("the", "cat", "sat", "on", "mat", "and", "dog", "ran", "over", "old", "house", "by")
_MARKS = {"neg": ("bad", "poor"), "pos": ("good", "fine")}
_NAMES = ("anna", "paul", "rome")


@dataclass(frozen=True)
class Files:
    """The labelled files of a task.

    Attributes:
      train: To learn from.
      dev: To score.
      unlabelled: The examples of `dev` without labels.
    """

    train: Path
    dev: Path
    unlabelled: Path


def write_files(folder: Path, kind: Kind, *, train: int = 40, dev: int = 21) -> Files:
    """Writes so many examples; a third of the questions have no answer, one context is long."""
    folder.mkdir(parents=True, exist_ok=True)
    ending = {"tagging": "conll", "qa": "json"}.get(kind, "tsv")
    names = [folder / f"{name}.{ending}" for name in ("train", "dev", "unlabelled")]
    chosen = random.Random(0)
    examples = [_example(kind, number, chosen) for number in range(train + dev)]
    for path, part, labelled in (
        (names[0], examples[:train], True),
        (names[1], examples[train:], True),
        (names[2], examples[train:], False),
    ):
        path.write_text(_text(kind, part, labelled=labelled), encoding="utf-8")
    return Files(*names)


def _words(chosen: random.Random, number: int) -> list[str]:
    return [*(chosen.choice(_WORDS) for _ in range(chosen.randint(3, 7))), str(number)]


def _example(kind: Kind, number: int, chosen: random.Random) -> tuple[list[str], Any]:
    """Words, and what is to be learned of them."""
    words = _words(chosen, number)
    if kind == "classification":
        label = ("neg", "pos")[number % 2]
        words.insert(chosen.randrange(len(words)), chosen.choice(_MARKS[label]))
        return words, label
    if kind == "regression":
        return ["big"] * (number % 4) + words, 1.0 + number % 4
    name, place = chosen.choice(_NAMES), chosen.randrange(len(words))
    if kind == "tagging":
        tags = ["O"] * len(words)
        words[place:place], tags[place:place] = [name, "smith"], ["B-PER", "I-PER"]
        return words, tags
    if number % 7 == 0:
        words += _words(chosen, number) * 3
    if number % 3:
        words.insert(place, name)
        return words, name
    return words, None


def _text(kind: Kind, examples: Sequence[tuple[list[str], Any]], *, labelled: bool) -> str:
    if kind == "tagging":
        return "".join(
            "".join(
                f"{word} {tag}\n" if labelled else f"{word}\n"
                for word, tag in zip(words, tags, strict=True)
            )
            + "\n"
            for words, tags in examples
        )
    if kind == "qa":
        asked = [_asked(number, *one, labelled) for number, one in enumerate(examples)]
        return json.dumps({"version": "v2.0", "data": [{"title": "made", "paragraphs": asked}]})
    lines = [
        f"{' '.join(words)}\t{label}" if labelled else " ".join(words) for words, label in examples
    ]
    return "\n".join(["text\tlabel" if labelled else "text", *lines]) + "\n"


def _asked(number: int, words: list[str], name: str | None, labelled: bool) -> dict[str, Any]:
    context = " ".join(words)
    question: dict[str, Any] = {"id": f"q{number}", "question": "who is it"}
    if labelled:
        question["is_impossible"] = name is None
        found = [] if name is None else [{"text": name, "answer_start": context.index(name)}]
        question["answers"] = found
    return {"context": context, "qas": [question]}
