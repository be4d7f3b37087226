"""Whether the number formats learn the same: one preset, one seed, each precision in turn.

python benchmarks/precisions.py [--preset tiny] [--steps 200] [--data DIR] [--json FILE]

Prints held-out losses, and how far each total_loss is from that of float32. CPUs emulate float16,
so it takes many times as long as the others there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PRECISIONS = ("float32", "bfloat16", "float16")
SHOWN = ("total_loss", "masked_lm_loss", "disc_loss", "disc_auc")


def train(precision: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs `electra pretrain` and evaluates its weights in float32, whatever they were trained in.

    Returns:
      The metrics of `electra evaluate` by name, and sequences_per_second of the training.
    """
    command = [sys.executable, "-m", "electra_cli"]
    data = ["--data", arguments.data] if arguments.data else []
    options = ["--preset", arguments.preset, "--stop-at-step", str(arguments.steps), *data]
    run = str(folder / precision)
    trained = subprocess.run(
        [*command, "pretrain", *options, "--precision", precision, "--model-dir", run, "--json"],
        check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    evaluated = subprocess.run(
        [*command, "evaluate", run, "--json"], check=True, stdout=subprocess.PIPE
    )
    metrics = json.loads(evaluated.stdout)["checkpoints"][0]["metrics"]
    return metrics | {"sequences_per_second": json.loads(trained.stdout)["sequences_per_second"]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--data", help="prepared folder; the preset tiny has a built-in one")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: train(name, arguments, Path(folder)) for name in PRECISIONS}
    expected = found["float32"]["total_loss"]
    print(f"{'precision':<10}" + "".join(f"{name:>16}" for name in SHOWN) + f"{'distance':>10}")
    for name, metrics in found.items():
        distance = abs(metrics["total_loss"] / expected - 1)
        values = "".join(f"{metrics[key]:>16.4f}" for key in SHOWN)
        print(f"{name:<10}{values}{distance:>10.2%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
