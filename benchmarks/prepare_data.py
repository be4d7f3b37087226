"""Speed and memory of `electra prepare-data`, from a file to finished shards.

python benchmarks/prepare_data.py BOOKS.jsonl.gz --vocab VOCAB [--megabytes 500] [--json FILE]

The text is the given one again and again, in every copy of which 2% of the words, drawn with a
seed, are made new: a cache of words cannot know them. Every run is the command itself in a process
of its own, start of Python included, without de-duplication and with a given vocabulary, but for
one that trains a vocabulary of the default size. Runs of each kind alternate.

Memory is the most that any one process had, seen in /proc: of the command, and of a worker.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NEW_WORDS = 0.02
_COLD_BYTES = 16_000_000


def copies(books: Path) -> Iterator[str]:
    """JSON lines without end: the documents, again and again, each time with other new words."""
    with gzip.open(books, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    rng = random.Random(0)
    while True:
        for text in texts:
            lines = (" ".join(_changed(line.split(" "), rng)) for line in text.split("\n"))
            yield json.dumps({"text": "\n".join(lines)}) + "\n"


def _changed(words: list[str], rng: random.Random) -> list[str]:
    for place, word in enumerate(words):
        if word and rng.random() < _NEW_WORDS:
            letters = list(word)
            rng.shuffle(letters)
            words[place] = "".join(letters) + rng.choice("abcdefghij")
    return words


def write_corpus(path: Path, books: Path, size: int) -> None:
    """Writes at least `size` bytes of documents."""
    with path.open("w", encoding="utf-8") as file:
        written = 0
        for line in copies(books):
            written += file.write(line)
            if written >= size:
                return


def run(text: Path, vocab: Path | None, folder: Path, *options: str) -> dict[str, Any]:
    """One run of the command, which trains a vocabulary if none is given.

    Returns:
      Megabytes a second of the whole process, and the most memory of it and of a worker, in MB.
    """
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "electra_cli", "prepare-data", str(text), "--quiet", "--json"]
    command += ["--output", str(output), *(["--vocab", str(vocab)] if vocab else []), *options]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            peaks[pid] = max(_peak_memory(pid), peaks.get(pid, 0.0))
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    assert process.stdout is not None
    counts = json.loads(process.stdout.read())
    own = peaks.pop(process.pid)
    return {
        "megabytes": counts["input_bytes"] / 1e6,
        "megabytes_per_second": counts["input_bytes"] / 1e6 / seconds,
        "tokens": counts["tokens"],
        "memory": own,
        "worker_memory": max(peaks.values(), default=0.0),
    }


def descendants(pid: int) -> list[int]:
    """Processes that one has begun, and that these have begun: a server forks workers."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in tasks.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def _peak_memory(pid: int) -> float:
    """Megabytes, 0 of a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(s.split()[1]) * 1024 / 1e6 for s in lines if s.startswith("VmHWM")), 0.0)


def measure_speed(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One process, two processes, with a new vocabulary, and the first megabytes alone."""
    large, cold = folder / "large.jsonl", folder / "cold.jsonl"
    write_corpus(large, arguments.books, arguments.megabytes * 1_000_000)
    write_corpus(cold, arguments.books, _COLD_BYTES)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(arguments.rounds):
        for name, text, vocab, workers in (
            ("1 process", large, arguments.vocab, "1"),
            ("2 processes", large, arguments.vocab, "2"),
            ("2, new vocabulary", large, None, "2"),
            ("cold 16 MB", cold, arguments.vocab, "1"),
        ):
            runs.setdefault(name, []).append(run(text, vocab, folder, "--workers", workers))
    return runs


def measure_memory(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Inputs that grow, and inputs that are hard on memory, with two processes each."""
    size = arguments.megabytes * 1_000_000
    path = folder / "text"
    found = {}
    for name, kind, bytes_ in (
        ("documents", "jsonl", size // 4),
        ("documents", "jsonl", size),
        ("a gzip stream", "jsonl.gz", size // 4),
        ("a gzip stream", "jsonl.gz", size),
        ("one line", "txt", size // 4),
        ("one line", "txt", size),
        ("documents of one word", "txt", size // 16),
    ):
        text = path.with_suffix(f".{kind}")
        write_kind(text, name, arguments.books, bytes_)
        found[f"{name}, {bytes_ // 1_000_000} MB"] = run(
            text, arguments.vocab, folder, "--workers", "2"
        )
        text.unlink()
    return found


def write_kind(path: Path, name: str, books: Path, size: int) -> None:
    """Writes `size` bytes of text of one kind."""
    written = 0
    with gzip.open(path, "wt", 1) if path.suffix == ".gz" else path.open("w") as file:
        for line in copies(books):
            if name == "one line":
                line = json.loads(line)["text"].replace("\n", " ") + " "
            elif name == "documents of one word":
                line = json.loads(line)["text"].replace("\n", " ").replace(" ", "\n\n")
            written += file.write(line)
            if written >= size:
                return


def main() -> None:
    """Measures, prints two tables, and writes JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("books", type=Path, help="JSON lines with a field text, compressed by gzip")
    parser.add_argument("--vocab", type=Path, required=True)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="electra-benchmark-") as folder:
        speed = measure_speed(arguments, Path(folder))
        print(f"{'':17} {'MB/s: min':>10} {'median':>8} {'max':>8}")
        for name, runs in speed.items():
            rates = sorted(r["megabytes_per_second"] for r in runs)
            print(f"{name:17} {rates[0]:10.1f} {statistics.median(rates):8.1f} {rates[-1]:8.1f}")
        pairs = zip(speed["2 processes"], speed["1 process"], strict=True)
        ratios = sorted(a["megabytes_per_second"] / b["megabytes_per_second"] for a, b in pairs)
        print(
            f"{'two / one':17} {ratios[0]:10.2f} {statistics.median(ratios):8.2f} "
            f"{ratios[-1]:8.2f}\n"
        )
        memory = measure_memory(arguments, Path(folder))
        print(f"{'':32} {'MB/s':>6} {'memory, MB':>11} {'a worker':>9}")
        for name, record in memory.items():
            print(
                f"{name:32} {record['megabytes_per_second']:6.1f} {record['memory']:11.0f} "
                f"{record['worker_memory']:9.0f}"
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({"speed": speed, "memory": memory}, indent=1) + "\n")


if __name__ == "__main__":
    main()
