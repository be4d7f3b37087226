"""What each stage of `electra prepare-data` costs a megabyte, on texts that grow.

python benchmarks/linear.py BOOKS.jsonl.gz [--megabytes 250,500,1000,2000] [--folder DIR]
    [--json FILE]

The text is that of prepare_data.py: the given one again and again, each copy with 2% of new
words. Of its documents 2% come twice, and 2% come again with every fiftieth word changed. Each
stage is the command itself with one worker, with both kinds of duplicates left out and a vocabulary
of the default size. CPU time and memory are those of all its processes, as /proc last showed them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

from prepare_data import copies, descendants

_TWICE, _NEARLY_TWICE, _CHANGED = 0.02, 0.02, 50
_STAGES = ("scan", "vocabulary", "prepare", "finalize")
_OPTIONS = ("--deduplicate", "paragraphs", "--near-duplicates", "0.8", "--workers", "1")
_TICKS = os.sysconf("SC_CLK_TCK")


def write_corpus(path: Path, books: Path, size: int) -> None:
    """Writes at least `size` bytes; planted duplicates stand far from what they repeat."""
    rng = random.Random(1)
    kept: list[str] = []
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for line in copies(books):
            written += file.write(line)
            drawn = rng.random()
            if drawn < _TWICE + _NEARLY_TWICE:
                kept.append(line if drawn < _TWICE else _nearly(line, rng))
            if len(kept) > 50:
                written += file.write(kept.pop(rng.randrange(len(kept))))
            if written >= size:
                return


def _nearly(line: str, rng: random.Random) -> str:
    text = json.loads(line)["text"]
    lines = [row.split(" ") for row in text.split("\n")]
    for row in lines:
        for place in range(rng.randrange(_CHANGED), len(row), _CHANGED):
            row[place] = "changed"
    return json.dumps({"text": "\n".join(map(" ".join, lines))}) + "\n"


def measure(command: list[str]) -> dict[str, float]:
    """Seconds of CPU time and of the clock, and the most memory of one process, in MB."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    spent: dict[int, float] = {}
    memory = 0.0
    while process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            spent[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
            peak = status.partition("VmHWM:")[2].split()
            memory = max(memory, int(peak[0]) * 1024 / 1e6 if peak else 0.0)
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return {
        "cpu_seconds": sum(spent.values()),
        "seconds": time.perf_counter() - begun,
        "memory": memory,
    }


def stages(text: Path, output: Path) -> dict[str, dict[str, float]]:
    """Runs the stages one after the other."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "electra_cli", "prepare-data", str(text), "--quiet"]
    command += ["--output", str(output), *_OPTIONS]
    return {stage: measure([*command, "--stage", stage]) for stage in _STAGES}


def main() -> None:
    """Measures, prints a table, and writes JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("books", type=Path, help="JSON lines with a field text, compressed by gzip")
    parser.add_argument("--megabytes", default="250,500,1000,2000", help="sizes joined by commas")
    parser.add_argument("--folder", type=Path, help="where texts and output go for a while")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    print(
        f"{'MB':>6}",
        *(f"{stage:>11} {'memory':>7}" for stage in _STAGES),
        "(ms of CPU time a MB; MB)",
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        text, output = Path(folder) / "text.jsonl", Path(folder) / "data"
        for size in map(int, arguments.megabytes.split(",")):
            write_corpus(text, arguments.books, size * 1_000_000)
            megabytes = text.stat().st_size / 1e6
            costs = stages(text, output)
            disk = sum(path.stat().st_size for path in output.rglob("*") if path.is_file()) / 1e6
            found[f"{size}"] = {"megabytes": megabytes, "stages": costs, "output": disk}
            shown = (
                (f"{1000 * cost['cpu_seconds'] / megabytes:11.1f}", f"{cost['memory']:7.0f}")
                for cost in costs.values()
            )
            print(f"{size:6}", *chain.from_iterable(shown), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
