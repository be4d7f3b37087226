"""What a report of a long run takes: seconds, memory and bytes, in a process of its own each time.

python benchmarks/report.py [--runs N] [--steps N] [--beside N] [--json FILE]

The run is made up: a million steps of the preset small, a line every 100 steps, an evaluation every
10,000, and ten held-out sentences of 128 tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import VOCAB_SIZE, write_prepared

from electra_cli.config.load import Override, dump_config, load_config
from electra_cli.files.layout import MANIFEST_FILE, VOCABULARY_FILE
from electra_cli.objectives import objective_of
from electra_cli.runs.held_out import HeldOut, Sentence, Token, write_held_out
from electra_cli.runs.run_folder import RunFolder

_FORMATS = ("html", "svg", "png", "md")
_SENTENCES = 10
_SECONDS_PER_STEP = 0.4


def write_run(folder: Path, prepared: Path, *, steps: int, seed: int) -> None:
    """Writes a run folder as pretraining leaves it, without checkpoints.

    Args:
      folder: The folder to make.
      prepared: The data it says it was trained on.
      steps: Updates.
      seed: Of the noise.
    """
    run = RunFolder(folder)
    run.data.mkdir(parents=True)
    for name in (MANIFEST_FILE, VOCABULARY_FILE):
        shutil.copy(prepared / name, run.data / name)
    overrides = [Override("data.path", str(prepared), "--data")]
    overrides += [Override("train.steps", steps, "--steps"), Override("train.seed", seed, "--seed")]
    config = load_config(preset="small", environment={}, overrides=overrides).config
    run.config.write_text(dump_config(config), encoding="utf-8")
    objective = objective_of(config.objective)
    names = [*objective.metrics, *objective.breakdowns]
    with run.metrics.open("w", encoding="utf-8") as file:
        for line in _lines(steps, names, np.random.default_rng(seed)):
            line |= {"format_version": 1, "time": 1.7e9 + _SECONDS_PER_STEP * line["step"]}
            file.write(json.dumps(line) + "\n")
    run.result.write_text(json.dumps({"final_step": steps}), encoding="utf-8")
    write_held_out(run.held_out, HeldOut(steps, [_sentence(row) for row in range(_SENTENCES)]))


def _lines(steps: int, names: list[str], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Losses that fall as those of a good run do, with the noise of single batches."""
    yield {"kind": "start", "step": 0, "electra": "0", "device": "gpu", "replicas": 1}
    for step in range(0, steps + 1, 100):
        masked = 3.2 + 7.1 * math.exp(-step / 4000) + 0.8 * math.exp(-step / 300_000)
        disc = 0.16 + 0.53 * math.exp(-step / 900) + 0.06 * math.exp(-step / 300_000)
        if step % 10_000 == 0:
            area = 0.94 - 0.44 * math.exp(-step / 5000)
            yield {
                "kind": "validation",
                "step": step,
                **dict.fromkeys(names, area),
                "masked_lm_loss": masked,
                "disc_loss": disc,
                "total_loss": masked + 50 * disc,
                "masked_lm_perplexity": math.exp(masked),
                "sampled_masked_lm_accuracy": 0.3,
                "replaced_rate": 0.1,
            }
        if step == steps:
            break
        masked, disc = masked * rng.normal(1, 0.03), disc * rng.normal(1, 0.05)
        yield {
            "kind": "train",
            "step": step + 100,
            "total_loss": masked + 50 * disc,
            "masked_lm_loss": masked,
            "disc_loss": disc,
            "gradient_norm": rng.lognormal(-0.5, 0.4),
            "learning_rate": 5e-4 * min(1, step / 10_000) * (1 - step / steps),
            "skipped_steps": 0,
            "sequences_per_second": 320.0,
            "tokens_per_second": 40_960.0,
            "peak_share": 0.4,
        }
    yield {"kind": "end", "step": steps, "reason": "finished"}


def _sentence(row: int) -> Sentence:
    """128 tokens, every seventh masked."""
    tokens = [
        Token(f"word{n}", n % 7 == 0, f"other{n}" if n % 7 == 0 else None, n % 10 / 10)
        for n in range(128)
    ]
    return Sentence(row, tokens)


def measure(runs: list[Path], output: Path) -> dict[str, float]:
    """Runs the command to its end.

    Returns:
      Seconds of wall clock and of CPU, largest memory and size of the output in megabytes.
    """
    command = [sys.executable, "-m", "electra_cli", "report", *map(str, runs)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--output", str(output), "--quiet"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} ended with exit code {code}")
    size = output.stat().st_size / 1e6
    return {
        "seconds": seconds,
        "CPU seconds": usage.ru_utime + usage.ru_stime,
        "peak MB": usage.ru_maxrss / 1e3,
        "output MB": size,
    }


def main() -> None:
    """Measures all formats and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--steps", type=int, default=1_000_000, help="updates of the made-up run")
    parser.add_argument("--beside", type=int, default=1, help="runs that are laid over each other")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    options = parser.parse_args()
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in _FORMATS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_prepared(folder / "data", length=128, rows=1000)
        runs = [folder / f"run-{number}" for number in range(options.beside)]
        for seed, run in enumerate(runs):
            write_run(run, folder / "data", steps=options.steps, seed=seed)
        for number in range(options.runs + 1):
            for name in _FORMATS:
                values = measure(runs, folder / f"report.{name}")
                if number:  # the first round fills caches
                    measured[name].append(values)
            print(f"round {number} of {options.runs}", file=sys.stderr)
    print(f"{'format':8}{'':>12}{'median':>10}{'min':>10}{'max':>10}")
    for name, rows in measured.items():
        for kind in rows[0]:
            column = [row[kind] for row in rows]
            middle = statistics.median(column)
            print(f"{name:8}{kind:>12}{middle:10.2f}{min(column):10.2f}{max(column):10.2f}")
    if options.json:
        record = {
            "format_version": 1,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "vocabulary": VOCAB_SIZE,
            "measured": measured,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
