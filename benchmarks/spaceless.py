"""Speed of `electra prepare-data` on text of languages without spaces between words.

python benchmarks/spaceless.py [--megabytes 100] [--rounds 3] [--language Thai] [--json FILE]

Every run is the command itself with one process, start of Python included: with a vocabulary that
was trained before on 2 MB of other text of the language, and with one that it trains. Each comes
with the default, which strips marks off letters, and with --no-strip-accents; they alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from prepare_data import run
from spaceless_texts import LANGUAGES, documents

_TRAINED_BYTES = 2_000_000
_MARKS = ("--strip-accents", "--no-strip-accents")


def write(path: Path, language: str, size: int, seed: int) -> Path:
    """Writes JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for text in documents(language, size, seed):
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return path


def measure(language: str, megabytes: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Megabytes a second of each run, by what was run."""
    text = write(folder / "text.jsonl", language, megabytes * 1_000_000, 1)
    small = write(folder / "small.jsonl", language, _TRAINED_BYTES, 2)
    vocabularies: dict[str, Path] = {}
    for marks in _MARKS:
        run(small, None, folder, "--workers", "1", marks)
        vocabularies[marks] = (folder / "out" / "vocab.txt").rename(folder / f"vocab{marks}.txt")
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for marks, given in vocabularies.items():
            for name, vocabulary in (("given vocabulary", given), ("new vocabulary", None)):
                found = run(text, vocabulary, folder, "--workers", "1", marks)
                rates.setdefault(f"{name}, {marks}", []).append(found["megabytes_per_second"])
    return rates


def main() -> None:
    """Measures, prints a table, and writes JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="may be repeated")
    parser.add_argument("--json", type=Path, help="also write all measured values to this file")
    arguments = parser.parse_args()
    found = {}
    print(f"{'':60} {'MB/s: min':>10} {'median':>8} {'max':>8}")
    for language in arguments.language or LANGUAGES:
        with tempfile.TemporaryDirectory(prefix="electra-benchmark-") as folder:
            found[language] = measure(language, arguments.megabytes, arguments.rounds, Path(folder))
        for name, rates in found[language].items():
            print(
                f"{language + ', ' + name:60} {min(rates):10.1f} {statistics.median(rates):8.1f} "
                f"{max(rates):8.1f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
