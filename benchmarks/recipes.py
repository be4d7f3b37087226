"""Recipes side by side, at equal wall clock or equal FLOPs, with several seeds.

python benchmarks/recipes.py CORPUS --output DIR --minutes M | --flops F [--labelled FOLDER]
    [--recipes FILE.yaml] [--only NAME,NAME] [--seeds 0,1,2] [--device cpu] [--dry-run]

CORPUS is a text, which is prepared, or a prepared folder. Each run is `electra pretrain`, and then
`electra finetune` on labelled data. What has finished is in DIR at once; the same command goes on
wherever it was ended, also with a copy of DIR on another machine, and prints the table of
everything. benchmarks/README.md says what is compared, and how.
"""

from __future__ import annotations

import argparse
import math
import signal
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from recipes_parts import plot, table
from recipes_parts.book import Book, read_book
from recipes_parts.checks import check
from recipes_parts.commands import CommandError, Electra, Processes
from recipes_parts.prepared import Prepared
from recipes_parts.results import Results, files_of
from recipes_parts.work import HELD_OUT, Budget, Work

from electra_cli.errors import ElectraError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.metrics.names import format_flops

RECIPES = Path(__file__).parent / "recipes.yaml"


def main(arguments: Sequence[str] | None = None, electra: Electra | None = None) -> int:
    """Trains what is missing, and prints a table.

    Args:
      arguments: The command line.
      electra: Runs commands; None for processes.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="of each run, in updates")
    budget.add_argument("--flops", type=float, help="of each run, such as 1e15")
    parser.add_argument("--labelled", type=Path, help="data to fine-tune on; without it nothing is")
    parser.add_argument("--recipes", type=Path, default=RECIPES)
    parser.add_argument("--only", help="names of recipes, joined by commas")
    parser.add_argument("--seeds", default="0,1,2", help="joined by commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dry-run", action="store_true", help="say what there is to do, and stop")
    options = parser.parse_args(arguments)
    if not 0 < (options.minutes or options.flops or 0) < math.inf:
        parser.error("--minutes and --flops are numbers above 0")
    signal.signal(signal.SIGTERM, _stop)
    results = Results(options.output)
    try:
        if not all(map(str.isdecimal, given_seeds := joined(options.seeds))):
            raise ValueError(f"--seeds {options.seeds!r}: numbers from 0 joined by commas")
        seeds = list(dict.fromkeys(map(int, given_seeds)))
        book = read_book(options.recipes)
        names = list(book.recipes) if options.only is None else joined(options.only)
        if unknown := [name for name in names if name not in book.recipes]:
            raise ValueError(f"--only {unknown[0]!r}: the recipes are {', '.join(book.recipes)}")
        seconds = options.minutes and 60 * options.minutes
        commands = electra or Processes(options.output / "log.txt")
        data = Prepared(book, options.corpus, options.output, commands)
        work = Work(
            book,
            data=data,
            labelled=options.labelled,
            budget=Budget(seconds, options.flops),
            results=results,
            electra=commands,
            device=options.device,
        )
        given = book, names, data, options.labelled, options.device
        check(*given)
        work.check(names)
        if options.dry_run:
            print(plan(work, data, results, names, seeds, seconds))
            return 0
        options.output.mkdir(parents=True, exist_ok=True)
        tasks = {task: book.downstream[task] for task in work.tasks}
        results.begin(
            {
                "minutes": options.minutes,
                "flops": options.flops,
                "corpus": files_of(options.corpus),
                "data": book.data.model_dump(),
                "labelled": options.labelled and files_of(options.labelled),
                "downstream": tasks,
                "device": options.device,
            }
        )
        if data.prepare(map(book.packing, names)):  # what only the data tells
            check(*given)
            work.check(names)
        work.measure(names)
        for seed in seeds:  # a seed of all recipes: whatever disturbs the machine meets all
            for name in names:
                if not results.is_done(name, seed):
                    print(f"{name}, seed {seed} …", file=sys.stderr, flush=True)
                    results.keep(work.run(name, seed))
                    show(book, results, work.tasks, options.minutes, options.flops)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, OSError, ElectraError, CommandError) as error:
        hint = getattr(error, "hint", "")
        print(f"error: {error}{f'; {hint}' if hint else ''}", file=sys.stderr)
        return 1
    print(show(book, results, work.tasks, options.minutes, options.flops))
    print(f"\n{options.output}/table.md and {options.output}/plot.png show the same")
    return 0


def joined(text: str) -> list[str]:
    """What an option joins by commas, each once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",")))


def show(
    book: Book, results: Results, tasks: list[str], minutes: float | None, flops: float | None
) -> str:
    """Writes table and plot of everything there is, and returns the table."""
    found = results.all(list(book.recipes))
    metrics = [*HELD_OUT, *tasks]
    fixed = [name for name, recipe in book.recipes.items() if recipe.steps is not None]
    shown = table.text(found, book.reference, metrics, minutes, fixed)
    each = (
        f"{format_flops(flops)} FLOPs" if flops is not None else f"{minutes:g} minutes in updates"
    )
    title = f"Recipes of {each}"
    atomic_write_text(results.folder / "table.md", f"# {title}\n\n{shown}\n")
    plot.write(found, book.reference, metrics, results.folder / "plot.png", title)
    return shown


def plan(
    work: Work,
    data: Prepared,
    results: Results,
    names: list[str],
    seeds: list[int],
    seconds: float | None,
) -> str:
    """What is to be done, in words."""
    done = results.all(names)
    rest = [r.elapsed - r.seconds for r in done if r.seconds is not None]
    speeds = [r.seconds / r.flops for r in done if r.seconds is not None and r.flops]
    if seconds is None and speeds and work.budget.flops is not None:
        seconds = statistics.fmean(speeds) * work.budget.flops
    is_guess = work.budget.flops is not None and data.manifest(data.main) is None
    lines = []
    for name in names:
        missing = [seed for seed in seeds if not results.is_done(name, seed)]
        parts = [work.known_steps(name, first=first) for first in work.parts(name)]
        steps = "about " * is_guess + " + ".join(
            "?" if part is None else f"{part:,}" for part in parts
        )
        lines.append(f"{name}: {steps} steps; {len(missing)} of {len(seeds)} runs to do")
    left = sum(not results.is_done(name, seed) for name in names for seed in seeds)
    if seconds is None:
        time = "hours: known after the first run"
    else:
        besides = statistics.fmean(rest) if rest else 0.0
        time = f"{left * (seconds + besides) / 3600:.1f} hours"
        time += "" if rest else ", and what compilation, evaluation and fine-tuning take besides"
    notes = ["? is measured before the first run"]
    if is_guess:
        notes.append("the vocabulary of the data, which is not prepared yet, decides")
    return "\n".join([*lines, f"{left} runs: {'; '.join([time, *notes])}"])


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
