"""A step of fine-tuning side by side with Hugging Face's Trainer, in alternating processes.

python benchmarks/finetune_step.py [--json FILE]

Our side is the command `electra finetune` itself, in each of our number formats; the other is the
`Trainer` of transformers in float32 (benchmarks/peers/huggingface_trainer.py). Both begin with the
same weights of an encoder and learn two classes from the same rows, with dropout. A round is one
run of each side, right behind each other; a ratio is our steps a second divided by the Trainer's in
the same round.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import VOCAB_SIZE
from train_step import Run, run_process, spread

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import load_config
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS, vocabulary_text
from electra_cli.finetuning.data import TRAIN
from electra_cli.finetuning.plan import plan_data
from electra_cli.finetuning.recipe import completed
from electra_cli.modeling.architecture import Architecture
from electra_cli.sources.open import open_source

_PEER = Path(__file__).parent / "peers" / "huggingface_trainer.py"
_THEIRS = "Trainer"


def write_source(folder: Path, preset: str) -> None:
    """Writes random weights of a preset's discriminator as transformers would."""
    from transformers import ElectraConfig, ElectraForPreTraining

    model = load_config(preset=preset, environment=os.environ).config.model
    sizes = ElectraConfig(
        vocab_size=VOCAB_SIZE,
        embedding_size=model.embedding_size,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_attention_heads,
        intermediate_size=model.intermediate_size,
        hidden_dropout_prob=model.hidden_dropout,
        attention_probs_dropout_prob=model.attention_dropout,
        classifier_dropout=model.hidden_dropout,
        max_position_embeddings=model.max_position_embeddings,
        type_vocab_size=model.type_vocab_size,
        initializer_range=model.initializer_range,
    )
    ElectraForPreTraining(sizes).save_pretrained(folder)
    words = (f"w{number}" for number in range(VOCAB_SIZE - len(SPECIAL_TOKENS)))
    text = vocabulary_text([*SPECIAL_TOKENS, *words])
    (folder / "vocab.txt").write_text(text, encoding="utf-8")


def write_table(path: Path, *, rows: int, shortest: int, length: int) -> None:
    """Writes texts of random words with random labels; with [CLS] and [SEP] they fill a row."""
    rng = np.random.default_rng(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for row in range(rows):
            words = rng.integers(VOCAB_SIZE - len(SPECIAL_TOKENS), size=length - 2)
            words = words[: rng.integers(shortest, length + 1) - 2]
            table.writerow([" ".join(f"w{word}" for word in words), "ab"[row % 2]])


def write_rows(path: Path, source: Path, files: dict[str, Path], length: int) -> float:
    """Writes what our command makes of the training data, for the other side.

    Returns:
      The learning rate of the head.
    """
    config = FinetuneConfig.model_validate({"preset": "classification"})
    config = config.replaced({"task.max_length": length})
    with tempfile.TemporaryDirectory() as scratch:
        item = open_source(source, scratch=Path(scratch), needs_head=False)
        config, data = plan_data(config, item, source=source, files=files)
        model = item.config.model
        encoder = Architecture.of(item.config).main
        config = completed(config, encoder, model.max_position_embeddings)
    np.savez(path, allow_pickle=False, **data.encoded[TRAIN].rows.columns)
    assert config.optimizer.learning_rate is not None
    return config.optimizer.learning_rate


def run_ours(
    options: argparse.Namespace, precision: str, source: Path, files: dict[str, Path], output: Path
) -> Run:
    """One run of `electra finetune`, which must log at the end of the warm-up."""
    command = [sys.executable, "-m", "electra_cli", "finetune", str(source), "--quiet", "--json"]
    command += ["--task", "classification", "--output", str(output), "--epochs", "1"]
    command += ["--train", str(files["train"]), "--dev", str(files["dev"])]
    command += ["--max-length", str(options.length), "--batch-size", str(options.batch_size)]
    command += ["--precision", precision, "--set", f"train.log_every={options.warmup}"]
    _, memory = run_process(command)
    stop = options.warmup + options.steps
    lines = next(output.rglob("metrics.jsonl")).read_text(encoding="utf-8").splitlines()
    logged = {line["step"]: line for line in map(json.loads, lines) if line["kind"] == "train"}
    # The logged speed is the mean from step 2 on; the warm-up's share has to go.
    seconds = [
        (step - 1) * options.batch_size / logged[step]["sequences_per_second"]
        for step in (stop, options.warmup)
    ]
    seconds_per_step = (seconds[0] - seconds[1]) / options.steps
    last = logged[stop]
    # Share of the peak at one sequence a second.
    share = last["peak_share"] / last["sequences_per_second"]
    return {
        "side": "electra",
        "precision": precision,
        "seconds_per_step": seconds_per_step,
        "peak_share": share * options.batch_size / seconds_per_step,
        "early_loss": logged[options.warmup]["loss"],
        "last_loss": last["loss"],
        "peak_memory_bytes": memory,
    }


def run_peer(options: argparse.Namespace, source: Path, rows: Path, rate: float) -> Run:
    """One run of the Trainer."""
    command = [sys.executable, str(_PEER), "--model", str(source), "--rows", str(rows)]
    command += ["--batch-size", str(options.batch_size), "--learning-rate", str(rate)]
    command += ["--warmup", str(options.warmup), "--steps", str(options.steps)]
    result, memory = run_process(command)
    return {"side": _THEIRS, **result, "peak_memory_bytes": memory}


def check_same_work(runs: list[Run]) -> None:
    """Ends the benchmark if a side does not begin by guessing between two classes."""
    for run in runs:
        if not abs(run["early_loss"] - math.log(2)) < 0.2:
            sys.exit(f"{run['side']} begins at a loss of {run['early_loss']}, not ln 2")


def main() -> None:
    """Measures all rounds and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=("small", "base"), default="small")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128, help="tokens a row, padding included")
    parser.add_argument(
        "--shortest",
        type=int,
        help="tokens of the shortest row, of lengths spread evenly up to --length; by default no "
        "row has padding",
    )
    parser.add_argument(
        "--precision",
        action="append",
        choices=("float32", "bfloat16"),
        help="of our side; repeatable, by default both",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a run")
    parser.add_argument("--warmup", type=int, default=5, help="steps before them")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    options = parser.parse_args()
    formats = options.precision or ["bfloat16", "float32"]

    rounds: list[list[Run]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, rows = folder / "source", folder / "rows.npz"
        write_source(source, options.preset)
        files = {"train": folder / "train.csv", "dev": folder / "dev.csv"}
        shortest = options.shortest or options.length
        steps = options.warmup + options.steps
        for path, batches in zip(files.values(), (steps, 1), strict=True):
            count = batches * options.batch_size
            write_table(path, rows=count, shortest=shortest, length=options.length)
        rate = write_rows(rows, source, files, options.length)
        for number in range(1, options.rounds + 1):
            runs = []
            for precision in formats:
                output = folder / f"{precision}-{number}"
                runs.append(run_ours(options, precision, source, files, output))
                if len(runs) == 1:  # between our formats, so that each has it as a neighbour
                    theirs = run_peer(options, source, rows, rate)
            check_same_work([*runs, theirs])
            for run in runs:
                run["ratio"] = theirs["seconds_per_step"] / run["seconds_per_step"]
            rounds.append([*runs, theirs])
            ratios = ", ".join(f"{run['precision']} {run['ratio']:.2f}" for run in runs)
            print(f"round {number} of {options.rounds}: {ratios}", file=sys.stderr)

    print_tables(rounds, options.batch_size)
    if options.json:
        given = {key: str(value) for key, value in vars(options).items() if key != "json"}
        record = {
            "format_version": 1,
            "options": given,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "rounds": rounds,
            "ratios": {
                of_side[0]["precision"]: spread([run["ratio"] for run in of_side])
                for of_side in by_side(rounds)[:-1]
            },
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def by_side(rounds: list[list[Run]]) -> list[tuple[Any, ...]]:
    """The runs of each side over all rounds."""
    return list(zip(*rounds, strict=True))


def print_tables(rounds: list[list[Run]], batch: int) -> None:
    """Prints the median of each side, and the ratios."""
    print(
        f"{'side':10}{'format':>10}{'sequences/s':>13}{'ms a step':>11}{'memory GB':>11}"
        f"{'early loss':>12}{'peak share':>12}   ratio: min, median, max"
    )
    for runs in by_side(rounds):
        seconds = statistics.median(run["seconds_per_step"] for run in runs)
        memory = statistics.median(run["peak_memory_bytes"] for run in runs) / 2**30
        early = statistics.median(run["early_loss"] for run in runs)
        line = f"{runs[0]['side']:10}{runs[0]['precision']:>10}{batch / seconds:13.2f}"
        line += f"{seconds * 1000:11.0f}{memory:11.2f}{early:12.3f}"
        if "ratio" in runs[0]:
            share = statistics.median(run["peak_share"] for run in runs)
            ratios = spread([run["ratio"] for run in runs]).values()
            line += f"{share:12.1%}   " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(line)


if __name__ == "__main__":
    main()
