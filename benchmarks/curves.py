"""Draws the training losses of several runs over each other.

python benchmarks/curves.py PICTURE.png RUN [RUN …]

A point is the mean of the steps that were logged since the last point; beside the name of a run are
the FLOPs of all its updates. What differs between runs of one seed in other number formats is noise
as long as the curves cross.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt

from electra_cli.metrics.names import FLOPS, format_flops

_LOSSES = {"masked_lm_loss": "masked LM loss, nats", "disc_loss": "discriminator loss, nats"}
_POINTS = 50


def read_losses(run: Path) -> dict[str, list[float]]:
    """The steps of a run, and each of its losses at these."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [line for line in lines if line["kind"] == "train"]
    return {name: [line[name] for line in train] for name in ("step", FLOPS, *_LOSSES)}


def smoothed(values: list[float]) -> list[float]:
    """Means of successive parts of equal length."""
    width = max(1, len(values) // _POINTS)
    parts = [values[at : at + width] for at in range(0, len(values), width)]
    return [sum(part) / len(part) for part in parts]


def main() -> None:
    """Draws, and prints the largest and the last difference to the first run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    losses = {run.name: read_losses(run) for run in arguments.runs}
    first = next(iter(losses.values()))
    figure, panels = plt.subplots(1, len(_LOSSES), figsize=(9, 3.5), layout="constrained")
    for panel, (loss, title) in zip(panels, _LOSSES.items(), strict=True):
        for name, values in losses.items():
            label = f"{name}, {format_flops(values[FLOPS][-1])} FLOPs"
            panel.plot(smoothed(values["step"]), smoothed(values[loss]), label=label, linewidth=1)
            apart = [
                abs(a / b - 1)
                for a, b in zip(smoothed(values[loss]), smoothed(first[loss]), strict=True)
            ]
            print(f"{loss} of {name}: at most {max(apart):.2%} apart, at the end {apart[-1]:.2%}")
        panel.set_xlabel("step")
        panel.set_ylabel(title)
        panel.legend()
    figure.savefig(arguments.picture, dpi=110)


if __name__ == "__main__":
    main()
