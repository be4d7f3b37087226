"""Runs that are made sick on purpose, and what is found of it.

python benchmarks/sick_runs.py CORPUS [--output FOLDER] [--only NAME …]

Every run is of a small model and some hundred steps of preset tiny on the same text. A healthy one
is among them, of which nothing may be found. It ends with exit code 1 if a run does not show what
it was made to show.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMMON = {
    "model.hidden_size": 128,
    "model.num_layers": 1,
    "model.num_attention_heads": 2,
    "model.intermediate_size": 512,
    "generator.size": 0.5,
    "data.sequence_length": 64,
    "optimizer.learning_rate": 4e-4,
    "train.checkpoint_every": 1000,
    "runtime.precision": "float32",
}
_PREPARE = ("--vocab-size", "4000", "--sequence-length", "64", "--workers", "1")
_FEW_LINES = 300


@dataclass(frozen=True)
class Sick:
    """A run, and what is wrong with it.

    Attributes:
      what: What was done to it, in words.
      findings: What has to be found; nothing else may begin that is not in `also`.
      steps: Updates.
      settings: Keys that differ.
      data: Which of the prepared folders.
      also: What may be found besides.
      then: Keys that differ from the half of the run on.
      fails: The run is to end with exit code 70.
    """

    what: str
    findings: tuple[str, ...]
    steps: int
    settings: dict[str, Any]
    data: str = "full"
    also: tuple[str, ...] = ()
    then: dict[str, Any] | None = None
    fails: bool = False


RUNS = {
    "healthy": Sick("nothing", (), 900, {}),
    "rate-far-too-high": Sick(
        "learning rate 50 times the preset's",
        ("learning-rate-high", "discriminator-constant", "unigram-plateau"),
        900,
        {"optimizer.learning_rate": 1e-2},
    ),
    "rate-far-too-low": Sick(
        "learning rate 1e-6",
        ("not-better-than-uniform",),
        500,
        {"optimizer.learning_rate": 1e-6},
        also=("gradient-clipped",),
    ),
    "generator-untrained": Sick(
        "weight 0 for the generator's loss",
        ("not-better-than-uniform", "discriminator-too-easy"),
        600,
        {"objective.generator_weight": 0.0, "optimizer.learning_rate": 4e-4},
    ),
    "few-rows": Sick(
        f"{_FEW_LINES} lines of text, read again and again",
        ("overfitting",),
        900,
        {"objective.name": "mlm", "train.evaluate_every": 50},
        data="few",
    ),
    "rate-jumps": Sick(
        "learning rate raised by 1,000 at half of the run",
        ("learning-rate-high", "loss-spike"),
        600,
        {},
        then={"optimizer.learning_rate": 0.4},
        also=(
            "gradient-rising",
            "discriminator-constant",
            "gradient-clipped",
            "not-better-than-uniform",
            "unigram-plateau",
        ),
    ),
    "not-finite": Sick(
        "learning rate 1e20 without a warm-up",
        ("learning-rate-high", "skipped-steps"),
        200,
        {"optimizer.learning_rate": 1e20, "optimizer.warmup_steps": 0, "train.log_every": 1},
        fails=True,
        also=("loss-spike",),
    ),
    "small-clip": Sick(
        "clip at a hundredth of the preset's",
        ("gradient-clipped",),
        600,
        {"optimizer.clip_norm": 0.01},
    ),
    "long-warmup": Sick(
        "warm-up of 80 of 100 steps", ("warmup-too-long",), 100, {"optimizer.warmup_steps": 80}
    ),
    "short-documents": Sick(
        "each line a document of its own, in rows of 64", ("padding",), 100, {}, data="short"
    ),
    "long-lines": Sick(
        "paragraphs without line breaks, in rows of 64", ("truncation",), 100, {}, data="long"
    ),
}


def main() -> int:
    """Runs all of them and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path, help="books, JSON lines with the field text, gzip")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.output or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wrong = 0
        for name in arguments.only:
            sick = RUNS[name]
            data = _prepared(arguments.corpus, folder, sick.data)
            found = _run(sick, data, folder / name)
            missing = set(sick.findings) - {finding["name"] for finding in found}
            # What else the machine does is not the run's fault.
            usual = {*sick.findings, *sick.also, "throughput-fell"}
            more = {finding["name"] for finding in found} - usual
            wrong += bool(missing or more)
            print(f"{name} ({sick.what}, {sick.steps} steps)")
            for finding in found:
                print(f"  {finding['step']}: {finding['state']} {finding['name']}, since "
                      f"{finding['since']}: {finding['evidence']}")  # fmt: skip
            print(f"  missing {sorted(missing)}, unexpected {sorted(more)}", flush=True)
    return int(wrong > 0)


def _prepared(corpus: Path, folder: Path, which: str) -> Path:
    """One of the prepared folders, all with the vocabulary of the full one."""
    output = folder / f"data-{which}"
    if (output / "manifest.json").is_file():
        return output
    if which == "full":
        _electra("prepare-data", corpus, "--output", output, *_PREPARE, "--packing", "full")
        return output
    text = folder / f"{which}.jsonl"
    with gzip.open(corpus, "rt", encoding="utf-8") as source:
        books = [json.loads(next(source))["text"] for _ in range(2)]
    lines = [line.strip() for line in "\n".join(books).split("\n") if len(line) > 40]
    if which == "few":
        texts = lines[:_FEW_LINES]
    elif which == "short":
        texts = [line[:80] for line in lines[:2000]]
    else:
        texts = [" ".join(lines[at : at + 20]) for at in range(0, 4000, 20)]
    text.write_text("".join(json.dumps({"text": one}) + "\n" for one in texts), encoding="utf-8")
    vocabulary = _prepared(corpus, folder, "full") / "vocab.txt"
    packing = "full" if which == "few" else "reference"
    _electra(
        "prepare-data", text, "--output", output, "--vocab", vocabulary, "--packing", packing,
        "--validation-fraction", 0.1, *_PREPARE[2:],
    )  # fmt: skip
    return output


def _run(sick: Sick, data: Path, run: Path) -> list[dict[str, Any]]:
    """Trains, and returns the lines about findings."""
    settings = _COMMON | sick.settings
    fixed = ["pretrain", "--preset", "tiny", "--data", data, "--model-dir", run, "--device", "cpu",
             "--steps", sick.steps]  # fmt: skip
    if sick.then is not None:
        _electra(*fixed, "--stop-at-step", sick.steps // 2, *_set(settings))
        changed = [part for key in sick.then for part in ("--allow-config-change", key)]
        _electra(*fixed, *changed, *_set(settings | sick.then))
    else:
        _electra(*fixed, *_set(settings), code=70 if sick.fails else 0)
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == "finding"]


def _set(settings: dict[str, Any]) -> list[str]:
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def _electra(*arguments: object, code: int = 0) -> None:
    command: Sequence[str] = [sys.executable, "-m", "electra_cli", *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
