"""Kills commands at random points of their progress, starts them again, compares what comes out.

    python -m tests.chaos.kills --kills 50 --seed 0

A trial is decided by (seed, command, number) alone: `--command pretrain --only 17` repeats one. The
last line of stdout is a JSON object with the counts; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.run_folder import RunFolder
from tests.chaos.victims import Victims
from tests.conftest import settings
from tests.finetuning.finished import RECIPE
from tests.finetuning.made_data import write_files
from tests.training.runs import metric_lines

STEPS = 16
_MOST_KILLS_OF_A_RUN = 3
_LONGEST_DELAY = 60.0  # milliseconds: into what C++ does after the point


@dataclass
class Counts:
    """What has happened.

    Attributes:
      trials: Runs that were killed at least once.
      kills: Processes that signal 9 has ended.
      places: The same by what they were doing; each place is as likely as any other.
      resumes: Starts after a kill.
      differing_hashes: Trials whose result was not that of the undisturbed run.
      broken: What repeats each trial that had another result, failed or broke a promise.
    """

    trials: int = 0
    kills: int = 0
    places: dict[str, int] = field(default_factory=dict)
    resumes: int = 0
    differing_hashes: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """A command to kill.

    Attributes:
      name: Of the command.
      arguments: Its command line, from the folder that it writes.
      result: What the folder holds in the end, to be compared; the JSON object comes too.
      check: Raises AssertionError if a promise is broken right after a kill.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    result: Callable[[Path, dict[str, Any]], Any]
    check: Callable[[Path], None]


def trial(
    victims: Victims, case: Case, work: Path, chosen: random.Random, expected: Any,
    points: dict[str, int], counts: Counts,
) -> None:  # fmt: skip
    """Kills a run up to three times, lets it end and compares.

    Raises:
      AssertionError: A promise is broken.
    """
    folder = work / "out"
    command = case.arguments(folder)
    for _ in range(chosen.randint(1, _MOST_KILLS_OF_A_RUN)):
        delay = chosen.choice([0.0, chosen.uniform(0, _LONGEST_DELAY)])
        place = chosen.choice(sorted(points))
        number = chosen.randint(1, points[place])
        ended = victims.run(command, folder=folder, place=place, number=number, delay=delay)
        is_over = ended.code != -signal.SIGKILL  # before that point
        if is_over:
            assert ended.code == 0, ended.stderr
        else:
            counts.kills += 1
            counts.places[place] = counts.places.get(place, 0) + 1
            case.check(folder)
        if case.name == "export" and folder.exists():
            # Over, or killed behind its end: what is complete is not written again.
            assert tree(folder) == expected, "another result"
            return
        if is_over:
            break
        counts.resumes += 1
    last = victims.finished(command, folder=folder)
    if case.result(folder, json.loads(last.stdout)) != expected:
        counts.differing_hashes += 1
        raise AssertionError("another result")
    left = [path.name for path in work.iterdir() if path != folder]
    assert not left, f"left behind: {left}"


def run_case(
    victims: Victims, case: Case, work: Path, *, kills: int, seed: int, only: int | None = None
) -> Counts:
    """Trials until so many kills have happened, or one of them."""
    counts = Counts()
    whole = work / f"{case.name}-undisturbed"
    done = victims.finished(case.arguments(whole), folder=whole)
    expected, points = case.result(whole, json.loads(done.stdout)), json.loads(done.report)
    number = 0 if only is None else only
    while counts.trials == 0 or (only is None and counts.kills < kills):
        counts.trials += 1
        folder = work / f"{case.name}-{number}"
        folder.mkdir()
        chosen = random.Random(f"{seed} {case.name} {number}")
        try:
            trial(victims, case, folder, chosen, expected, points, counts)
        except AssertionError as error:
            first = (str(error).splitlines() or ["?"])[0]
            counts.broken.append(f"--command {case.name} --seed {seed} --only {number}: {first}")
        shutil.rmtree(folder)
        sys.stderr.write(f"{case.name} {number} {counts}\n")
        number += 1
    return counts


def cases(corpus: Path, data: Path, trained: Path, work: Path) -> dict[str, Case]:
    """All commands.

    Args:
      corpus: Text.
      data: The same, prepared.
      trained: A run.
      work: A folder for labelled data.
    """

    def prepare(folder: Path) -> list[str]:
        options = ["--vocab-size", "600", "--sequence-length", "32", "--validation-fraction", "0.1"]
        return ["prepare-data", str(corpus), "--output", str(folder), "--json", *options,
                "--workers", "1"]  # fmt: skip

    def pretrain(folder: Path) -> list[str]:
        fixed = ["pretrain", "--preset", "tiny", "--device", "cpu", "--json", "--quiet"]
        places = ["--data", str(data), "--model-dir", str(folder), "--steps", str(STEPS)]
        # Whatever has a state of its own, or is traced apart.
        more = (
            "optimizer.ema_decay=0.9",
            "runtime.precision=float16",
            "train.accumulation_steps=2",
        )
        return [*fixed, *places, *settings(*more)]

    def trained_state(folder: Path, result: dict[str, Any]) -> Any:
        lines = {kind: metric_lines(folder, kind) for kind in ("train", "validation")}
        return result["state_sha256"], result["evaluation"], lines

    def checkpoints_are_whole(folder: Path) -> None:
        for checkpoint in RunFolder(folder).all_checkpoints():
            assert fault_of(checkpoint.path, checkpoint.step) is None, checkpoint.path
            assert read_commit(checkpoint.path).step == checkpoint.step

    def finetune(folder: Path) -> list[str]:
        files = write_files(work / "labelled", "classification")
        fixed = ["finetune", str(trained), "--task", "classification", "--json", "--quiet"]
        places = ["--train", str(files.train), "--dev", str(files.dev), "--output", str(folder),
                  "--predict", str(files.unlabelled)]  # fmt: skip
        return [*fixed, *places, *map(str, RECIPE), "--seeds", "2", "--probe"]

    def finetuned_state(folder: Path, result: dict[str, Any]) -> Any:
        runs = {
            (column["column"], run["seed"]): (run["state_sha256"], run["metrics"])
            for column in result["columns"]
            for run in column["runs"]
        }
        lines = {
            (job, kind): metric_lines(folder / job[0] / f"seed-{job[1]}", kind)
            for job in runs
            for kind in ("train", "validation")
        }
        predictions = Path(result["predictions"]).read_text()
        return runs, lines, predictions, result["best"], result["verdict"]

    def runs_are_whole(folder: Path) -> None:
        for run in folder.glob("step-*/seed-*"):  # weights of others are dropped
            checkpoints_are_whole(run)

    def export(folder: Path) -> list[str]:
        return ["export", str(trained), "--format", "huggingface", "--output", str(folder),
                "--json"]  # fmt: skip

    def complete_or_absent(folder: Path) -> None:
        assert not folder.exists() or (folder / "discriminator").is_dir()

    def evaluate(folder: Path) -> list[str]:
        del folder
        return ["evaluate", str(trained), "--all", "--device", "cpu", "--json"]

    def nothing(folder: Path) -> None:
        assert not folder.exists()

    found = [
        Case("prepare-data", prepare, lambda folder, _: tree(folder), lambda folder: None),
        Case("pretrain", pretrain, trained_state, checkpoints_are_whole),
        Case("export", export, lambda folder, _: tree(folder), complete_or_absent),
        Case("finetune", finetune, finetuned_state, runs_are_whole),
        Case("evaluate", evaluate, lambda _, result: result["checkpoints"], nothing),
    ]
    return {case.name: case for case in found}


def tree(folder: Path) -> dict[str, str]:
    """The checksums of all files that have their final name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def make_inputs(victims: Victims, work: Path) -> dict[str, Case]:
    """A corpus, its prepared form and a run, and the commands over them."""
    from pydoc_data.topics import topics

    corpus, data, run = work / "topics.jsonl", work / "data", work / "trained"
    lines = [json.dumps({"id": name, "text": topics[name]}) for name in sorted(topics)[:40]]
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = cases(corpus, data, run, work)
    for name, folder in (("prepare-data", data), ("pretrain", run)):
        victims.finished(found[name].arguments(folder), folder=folder)
    return found


def main() -> int:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", help="only this one; repeatable")
    parser.add_argument("--only", type=int, help="repeat one trial")
    chosen = parser.parse_args()
    counts = {}
    with tempfile.TemporaryDirectory() as folder, Victims(Path(folder)) as victims:
        work = Path(folder)
        found = make_inputs(victims, work)
        for name in chosen.command or found:
            started = time.monotonic()
            counts[name] = vars(
                run_case(
                    victims, found[name], work,
                    kills=chosen.kills, seed=chosen.seed, only=chosen.only,
                )
            )  # fmt: skip
            counts[name]["seconds"] = round(time.monotonic() - started)
    sys.stdout.write(json.dumps({"seed": chosen.seed, **counts}) + "\n")
    return 1 if any(each["broken"] for each in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
