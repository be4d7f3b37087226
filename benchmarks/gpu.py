"""Everything that is worth knowing of a GPU, in the order of its worth, in a few minutes.

python benchmarks/gpu.py --minutes 9 --out DIR [--parts NAME,NAME] [--device gpu|cpu] [--dry-run]

Each part is bounded, and its result is in DIR/results.json at once; called again, with the same
DIR, it goes on with what is missing or has failed. DIR/log.txt has what libraries say. Two
processes stay, one with TensorFlow and one with PyTorch, and are asked in turns;
benchmarks/README.md says what exactly is measured. `--dry-run` does everything with tiny sizes on a
CPU: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

from gpu_parts import table
from gpu_parts.bench import DRY as LITTLE
from gpu_parts.bench import Bench, Effort
from gpu_parts.parts import Part, card, parts_of
from gpu_parts.results import Results
from gpu_parts.sizes import DRY, ON_A_CARD
from gpu_parts.workers import WorkerError

_LEAVING = 3.0  # seconds to end the processes


def main() -> None:
    """Measures what is missing and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=minutes, default=10.0, help="for everything")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="a folder")
    parser.add_argument("--parts", help="names or their beginnings, joined by commas")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on a CPU")
    options = parser.parse_args()
    device = "cpu" if options.dry_run else options.device
    effort, sizes = (LITTLE, DRY) if options.dry_run else (Effort(), ON_A_CARD)
    try:
        chosen = chosen_of(parts_of(sizes, effort.main), options.parts)
    except ValueError as error:
        parser.error(f"--parts {error}")
    about = {
        "device": device,
        "cards": card("name") if device == "gpu" else None,
        "dry_run": options.dry_run,
        "minutes": options.minutes,
    }
    try:
        results = Results(options.out, about)
    except (ValueError, OSError) as error:
        parser.error(f"{error}; choose another folder with --out")
    deadline = time.monotonic() + 60 * options.minutes - _LEAVING
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="electra-gpu-") as folder:
        bench = Bench(device, effort, scratch=Path(folder), log=results.log)
        missing = {part.name for part in chosen if not results.is_done(part.name)}
        bench.ahead = [size for size in sizes[: effort.main] if f"speed-{size.name}" in missing]
        try:
            measure(chosen, bench, results, deadline)
        finally:
            bench.end()
    if not results.parts:
        sys.exit("nothing was measured; give it more --minutes")
    print(table.text(results.parts))
    print(f"{results.file} has all values")


def minutes(text: str) -> float:
    """How long everything may take.

    Raises:
      ValueError: It is no time.
    """
    found = float(text)
    if not 0 < found < float("inf"):
        raise ValueError
    return found


def chosen_of(parts: list[Part], names: str | None) -> list[Part]:
    """The parts that `--parts` names.

    Args:
      parts: All.
      names: Names or their beginnings, joined by commas; None: all.

    Raises:
      ValueError: One of them begins no part's name.
    """
    wanted = [""] if names is None else [name for name in names.split(",") if name]
    for name in wanted:
        if not any(part.name.startswith(name) for part in parts):
            raise ValueError(f"{name}: the parts are {', '.join(part.name for part in parts)}")
    return [part for part in parts if part.name.startswith(tuple(wanted))]


def measure(parts: list[Part], bench: Bench, results: Results, deadline: float) -> None:
    """Runs the parts that have no result, as long as there is time."""
    for part in parts:
        if results.is_done(part.name):
            continue
        left = deadline - time.monotonic()
        if left < part.least:
            print(f"{part.name}: {left:.0f} s are left, too few to begin", file=sys.stderr)
            continue
        started = time.monotonic()
        bench.begin(min(left, part.seconds * bench.effort.patience))
        try:
            found = part.run(bench, results.parts)
        except WorkerError as error:
            found = error.record
        except Exception as error:  # the other parts are worth their time all the same
            with results.log.open("a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            found = {"error": f"{type(error).__name__}: {error}", "memory": False}
        seconds = time.monotonic() - started
        results.keep(part.name, found, seconds)
        print(f"{part.name}: {seconds:.1f} s{table.remark(found)}", file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
