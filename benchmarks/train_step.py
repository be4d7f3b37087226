"""The whole training step side by side with other implementations, in alternating processes.

python benchmarks/train_step.py --against model-garden --against huggingface [--json FILE]
python benchmarks/train_step.py --against-set model.gradient_checkpointing=true
python benchmarks/train_step.py --against-set 'generator.sharing=all generator.size=1'

Our side is the command `electra pretrain` itself: reading rows, masking, both networks with
dropout, sampling, clipping, optimizer. What the other sides do is described in benchmarks/peers/.
All train on the same prepared rows with a vocabulary of 30,522, and none is timed during its
warm-up. A pair is one run of ours and, right after it, one run of a peer or of ours with other
values of keys; the ratio of a pair is our speed divided by the other's. A peer must be the same
model with the same objective; ours with other values may be another.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from synthetic import VOCAB_SIZE, write_prepared

from electra_cli.config.load import load_config, parse_set
from electra_cli.modeling.budget import budget_of

_PEERS = {
    "model-garden": Path(__file__).parent / "peers" / "model_garden.py",
    "huggingface": Path(__file__).parent / "peers" / "huggingface.py",
}
_SIDES = ("ours", "theirs")
_ROWS = 8192

Run = dict[str, Any]


def run_process(command: list[str]) -> tuple[Run, int]:
    """Runs a command to its end.

    Returns:
      The JSON object on the last line of its stdout, and the most memory it had, in bytes.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        errors.seek(0)
        if os.waitstatus_to_exitcode(status):
            sys.exit(f"{' '.join(command)} failed:\n{errors.read().decode()[-4000:]}")
        record = json.loads(output.read().splitlines()[-1])
    return record, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run_ours(options: argparse.Namespace, data: Path, run: Path, shared: list[str]) -> Run:
    """One run of `electra pretrain`, which must log at the end of the warm-up."""
    stop = options.warmup + options.steps
    command = [sys.executable, "-m", "electra_cli", "pretrain", "--quiet", "--json", *shared]
    command += ["--data", str(data), "--model-dir", str(run), "--stop-at-step", str(stop)]
    command += ["--precision", options.precision, "--set", f"train.log_every={options.warmup}"]
    result, memory = run_process(command)
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = {line["step"]: line for line in map(json.loads, lines) if line["kind"] == "train"}
    shutil.rmtree(run)
    # The logged speed is the mean from step 2 on; the warm-up's share has to go.
    seconds = [
        (step - 1) * options.batch_size / logged[step]["sequences_per_second"]
        for step in (stop, options.warmup)
    ]
    tokens_per_second = result["tokens_per_second"] / result["matmul_peak_share"]
    return {
        "side": "electra",
        "precision": result["precision"],
        "parameters": result["parameters"]["total"],
        "seconds_per_step": (seconds[0] - seconds[1]) / options.steps,
        "early_loss": logged[options.warmup]["total_loss"],
        "last_loss": logged[stop]["total_loss"],
        "peak_memory_bytes": memory,
        "matmul_peak_flops": tokens_per_second * result["flops_per_token"],
    }


def run_other(
    name: str, options: argparse.Namespace, data: Path, run: Path, shared: list[str], ours: Run
) -> Run:
    """The other run of a pair: of a peer, or of ours with the values that its name is."""
    if name in _PEERS:
        theirs = run_peer(name, options, data, shared, ours)
        check_same_work(ours, theirs)
        return theirs
    changes = [part for pair in shlex.split(name) for part in ("--set", pair)]
    return run_ours(options, data, run, [*shared, *changes]) | {"side": name}


def run_peer(
    name: str, options: argparse.Namespace, data: Path, shared: list[str], ours: Run
) -> Run:
    """One run of a peer in the number format of ours, if it has a choice and nothing is asked."""
    command = [sys.executable, str(_PEERS[name]), "--data", str(data), *shared]
    command += ["--precision", options.peer_precision or ours["precision"]]
    command += ["--warmup", str(options.warmup), "--steps", str(options.steps)]
    result, memory = run_process(command)
    return {"side": name, **result, "peak_memory_bytes": memory}


def check_same_work(ours: Run, theirs: Run) -> None:
    """Ends the benchmark if a side is another model or has another objective."""
    # Guessing at both tasks: 44.98. A discriminator's first answers are not exactly a half, and its
    # loss counts 50 times; without the generator's loss 10.3 would be missing.
    untrained = math.log(VOCAB_SIZE) + 50 * math.log(2)
    for run in (ours, theirs):
        if abs(run["early_loss"] - untrained) > 0.2 * untrained:
            sys.exit(f"{run['side']} begins at a loss of {run['early_loss']}, not {untrained:.2f}")
    if abs(theirs["parameters"] / ours["parameters"] - 1) > 0.03:
        sys.exit(f"{theirs['side']} has {theirs['parameters']:,} parameters: another model")


def main() -> None:
    """Measures all pairs and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", action="append", choices=_PEERS, default=[])
    parser.add_argument(
        "--against-set",
        action="append",
        default=[],
        metavar="'KEY=VALUE ...'",
        help="ours with these",
    )
    parser.add_argument("--preset", choices=("small", "base"), default="small")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128, help="tokens a row")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of our side; auto: bfloat16 where the hardware multiplies it",
    )
    parser.add_argument(
        "--peer-precision",
        choices=("float32", "bfloat16"),
        help="of huggingface, by default that of our side; model-garden only has float32",
    )
    parser.add_argument("--rounds", type=int, default=5, help="pairs for each peer")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a run")
    parser.add_argument("--warmup", type=int, default=5, help="steps before them")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    options = parser.parse_args()
    against = [*options.against, *options.against_set]
    if not against:
        parser.error("--against or --against-set is needed")

    settings = {"data.sequence_length": options.length, "train.batch_size": options.batch_size}
    texts = [f"{key}={value}" for key, value in settings.items()]
    shared = ["--preset", options.preset, *(part for text in texts for part in ("--set", text))]
    config = load_config(
        preset=options.preset, environment=os.environ, overrides=[parse_set(t) for t in texts]
    ).config
    budget = budget_of(config)

    pairs: dict[str, list[Run]] = {name: [] for name in against}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_prepared(data, length=options.length, rows=_ROWS, validation_rows=options.batch_size)
        for number in range(1, options.rounds + 1):
            for name, measured in pairs.items():
                ours = run_ours(options, data, Path(folder) / "run", shared)
                theirs = run_other(name, options, data, Path(folder) / "run", shared, ours)
                ratio = theirs["seconds_per_step"] / ours["seconds_per_step"]
                measured.append({"ours": ours, "theirs": theirs, "ratio": ratio})
                print(f"round {number} of {options.rounds}, {name}: {ratio:.2f}", file=sys.stderr)

    # A disturbance can only lower what is measured, so the peak is the best of the call.
    peak = max(pair["ours"]["matmul_peak_flops"] for of_peer in pairs.values() for pair in of_peer)
    for run in (pair[side] for of_peer in pairs.values() for pair in of_peer for side in _SIDES):
        tokens = budget.tokens_per_step / run["seconds_per_step"]
        run["sequences_per_second"] = options.batch_size / run["seconds_per_step"]
        run["tokens_per_second"] = tokens
        run["matmul_peak_share"] = tokens * budget.flops_per_token / peak
    print_tables(pairs)
    if options.json:
        given = {key: str(value) for key, value in vars(options).items() if key != "json"}
        record = {
            "format_version": 1,
            "options": given,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "flops_per_token": budget.flops_per_token,
            "pairs": pairs,
            "ratios": {
                name: spread([pair["ratio"] for pair in measured])
                for name, measured in pairs.items()
            },
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def spread(values: list[float]) -> dict[str, float]:
    """Smallest value, median and largest value."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def print_tables(pairs: dict[str, list[Run]]) -> None:
    """Prints the median of each side, and the ratios."""
    width = max(14, *(len(name) + 2 for name in pairs))
    print(
        f"{'side':{width}}{'format':>10}{'sequences/s':>13}{'tokens/s':>10}{'peak share':>12}"
        f"{'memory GB':>11}{'parameters':>13}{'early loss':>12}{'last loss':>11}"
    )
    for measured in pairs.values():
        for side in _SIDES:
            runs = [pair[side] for pair in measured]
            middle = {
                key: statistics.median(run[key] for run in runs)
                for key, value in runs[0].items()
                if not isinstance(value, str)
            }
            print(
                f"{runs[0]['side']:{width}}{runs[0]['precision']:>10}"
                f"{middle['sequences_per_second']:13.2f}{middle['tokens_per_second']:10.0f}"
                f"{middle['matmul_peak_share']:12.1%}{middle['peak_memory_bytes'] / 2**30:11.2f}"
                f"{runs[0]['parameters']:13,}{middle['early_loss']:12.2f}{middle['last_loss']:11.2f}"
            )
    peaks = [pair["ours"]["matmul_peak_flops"] for of_peer in pairs.values() for pair in of_peer]
    figures = {"matmul peak, TFLOP/s": [peak / 1e12 for peak in peaks]} | {
        f"electra / {name}": [pair["ratio"] for pair in measured]
        for name, measured in pairs.items()
    }
    print(f"\n{'':{width + 10}}{'min':>8}{'median':>8}{'max':>8}")
    for name, values in figures.items():
        print(
            f"{name:{width + 10}}" + "".join(f"{value:8.2f}" for value in spread(values).values())
        )


if __name__ == "__main__":
    main()
