"""How long a command takes to start: wall clock and CPU time, in alternating runs.

python benchmarks/startup.py [--runs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_ELECTRA = [sys.executable, "-m", "electra_cli"]
_POLL_SECONDS = 0.01

Times = dict[str, float]


def measure_command(arguments: list[str], exit_code: int) -> Times:
    """Runs a command to its end.

    Returns:
      Seconds of wall clock and of CPU, the latter over user and system.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [*_ELECTRA, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    _check_exit(arguments, os.waitstatus_to_exitcode(status), exit_code)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def measure_first_step() -> Times:
    """Runs `pretrain --preset tiny` for one step on the demo corpus.

    Returns:
      Seconds until the first line of training in metrics.jsonl (the evaluation at step 0 comes
      before it), and seconds of wall clock and CPU of the whole command.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        arguments = ["pretrain", "--preset", "tiny", "--stop-at-step", "1", "--quiet"]
        arguments += ["--model-dir", str(run)]
        started = time.perf_counter()
        process = subprocess.Popen([*_ELECTRA, *arguments])
        first_step = None
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            if first_step is None and _has_trained(run / "metrics.jsonl"):
                first_step = time.perf_counter() - started
            if done:
                break
            time.sleep(_POLL_SECONDS)
        wall = time.perf_counter() - started
        _check_exit(arguments, os.waitstatus_to_exitcode(status), 0)
        return {
            "first step": first_step or wall,
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
        }


def _has_trained(metrics: Path) -> bool:
    if not metrics.is_file():
        return False
    # The last line may be half written.
    lines = metrics.read_text(encoding="utf-8").split("\n")[:-1]
    return any(json.loads(line)["kind"] == "train" for line in lines)


def _check_exit(arguments: list[str], code: int, expected: int) -> None:
    if code != expected:
        sys.exit(f"electra {' '.join(arguments)} ended with exit code {code}, not {expected}")


CASES: dict[str, Callable[[], Times]] = {
    "electra --version": lambda: measure_command(["--version"], 0),
    "electra --help": lambda: measure_command(["--help"], 0),
    "error: unknown key": lambda: measure_command(
        ["pretrain", "--preset", "tiny", "--set", "train.step=1"], 2
    ),
    "pretrain, one step": measure_first_step,
}


def main() -> None:
    """Measures all cases and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    options = parser.parse_args()

    measured: dict[str, list[Times]] = {name: [] for name in CASES}
    for number in range(options.runs + 1):
        for name, measure in CASES.items():
            times = measure()
            if number:  # the first round fills caches and prepares the demo corpus
                measured[name].append(times)
        print(f"round {number} of {options.runs}", file=sys.stderr)

    print(f"{'command':24}{'seconds':>12}{'median':>10}{'min':>10}{'max':>10}")
    for name, runs in measured.items():
        for kind in runs[0]:
            values = [times[kind] for times in runs]
            print(
                f"{name:24}{kind:>12}{statistics.median(values):10.2f}"
                f"{min(values):10.2f}{max(values):10.2f}"
            )
    if options.json:
        record = {
            "format_version": 1,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "seconds": measured,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
