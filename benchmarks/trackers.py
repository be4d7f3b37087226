"""What trackers cost: a step of training with none and with all of them, in alternating processes.

python benchmarks/trackers.py [--rounds N] [--json FILE]

Both sides are the command `electra pretrain --preset tiny`. wandb is offline, MLflow and trackio
write to local databases. The warm-up, in which the trackers' processes start, is not timed; what
the training thread spends on handing over a line is measured apart, and without TensorFlow's
threads beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from electra_cli.config.load import Override, load_config
from electra_cli.config.rules.trackers import TRACKERS

SIDES = {"none": "none", "tensorboard": "tensorboard", "all": ",".join(TRACKERS)}
VALUES = {f"metric_{number}": 1.0 / (number + 1) for number in range(16)}


def seconds_per_step(track: str, options: argparse.Namespace, folder: Path) -> float:
    """Of one run after its warm-up, from the times of its logged lines."""
    command = [sys.executable, "-m", "electra_cli", "pretrain", "--preset", "tiny", "--quiet"]
    stop = options.warmup + options.steps
    command += ["--model-dir", str(folder), "--track", track, "--device", "cpu"]
    command += ["--stop-at-step", str(stop), "--set", f"train.log_every={options.log_every}"]
    environment = {**os.environ, "TRACKIO_DIR": str(folder / "trackio"), "WANDB_MODE": "offline"}
    subprocess.run(command, env=environment, check=True)
    lines = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    times = {line["step"]: line["time"] for line in lines if line["kind"] == "train"}
    return (times[stop] - times[options.warmup]) / options.steps


def seconds_per_line(track: str, folder: Path, lines: int = 200) -> float:
    """What the thread that trains spends on a line, once the trackers have started."""
    from electra_cli.runs.run_folder import RunFolder
    from electra_cli.training.loop.metric_writer import MetricWriter

    os.environ |= {"TRACKIO_DIR": str(folder / "trackio"), "WANDB_MODE": "offline"}
    given = [Override("runtime.track", track, "--track")]
    config = load_config(preset="tiny", environment={}, overrides=given).config
    folder.mkdir()
    with MetricWriter(RunFolder(folder), config, name="benchmark", warn=sys.exit) as writer:
        writer.write("train", 0, VALUES)
        started = time.perf_counter()
        for step in range(1, lines + 1):
            writer.write("train", step, VALUES)
        return (time.perf_counter() - started) / lines


def main() -> None:
    """Measures all rounds and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side")
    parser.add_argument("--warmup", type=int, default=100, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=400, help="steps that are timed")
    parser.add_argument("--log-every", type=int, default=100, help="steps from line to line")
    parser.add_argument("--json", type=Path, help="keeps all measured values")
    options = parser.parse_args()
    if options.warmup % options.log_every or options.steps % options.log_every:
        parser.error("--warmup and --steps are multiples of --log-every: lines tell the time")
    steps: dict[str, list[float]] = {side: [] for side in SIDES}
    lines: dict[str, list[float]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for side, track in SIDES.items():
                place = Path(folder) / f"{side}-{number}"
                steps[side].append(seconds_per_step(track, options, place))
                lines[side].append(seconds_per_line(track, place.with_suffix(".lines")))
    for title, found, unit in (("a step", steps, 1e3), ("a line", lines, 1e3)):
        print(f"milliseconds {title}: median (least to most), and beside none")
        for side, values in found.items():
            ratios = [one / none for one, none in zip(values, found["none"], strict=True)]
            print(
                f"  {side:12s} {statistics.median(values) * unit:9.3f} "
                f"({min(values) * unit:.3f} to {max(values) * unit:.3f})"
                f"  x {statistics.median(ratios):.4f}"
            )
    if options.json is not None:
        options.json.write_text(json.dumps({"steps": steps, "lines": lines}, indent=1))


if __name__ == "__main__":
    main()
