"""Kills commands at random points of their progress, starts them again, compares what comes out.

    python -m tests.chaos.kills --kills 50 --seed 0

A trial is decided by (seed, command, number) alone: `--command pretrain --only 17` repeats one. The
last line of stdout is a JSON object with the counts; the exit code is 1 if a result differed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from electra_cli.training.commit import fault_of, read_commit
from electra_cli.training.run_folder import RunFolder
from tests.conftest import settings
from tests.training.runs import metric_lines

STEPS = 24
_MOST_KILLS_OF_A_RUN = 3
_LONGEST_DELAY = 60.0  # milliseconds: into what C++ does after the point


@dataclass
class Counts:
    """What has happened.

    Attributes:
      trials: Runs that were killed at least once.
      kills: Processes that signal 9 has ended.
      resumes: Starts after a kill.
      differing: Trials whose result was not that of the undisturbed run, or that broke a promise.
    """

    trials: int = 0
    kills: int = 0
    resumes: int = 0
    differing: list[str] = field(default_factory=list)


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


def start(case: Case, folder: Path, number: int, delay: float, passed: Path | None = None) -> Any:
    """Runs the command as a victim; number 0 lets it live."""
    order = {"number": number, "delay": delay, "folder": str(folder)}
    order |= {"passed": str(passed)} if passed else {}
    command = [sys.executable, "-m", "tests.chaos.victim", json.dumps(order)]
    return subprocess.run(
        [*command, *case.arguments(folder)], capture_output=True, text=True, check=False
    )


def undisturbed(case: Case, folder: Path) -> tuple[Any, int]:
    """The result of a run that nothing kills, and the number of its points."""
    passed = folder.with_name(folder.name + ".passed")
    done = start(case, folder, 0, 0.0, passed)
    assert done.returncode == 0, done.stderr
    return case.result(folder, json.loads(done.stdout)), int(passed.read_text())


def trial(
    case: Case, work: Path, *, seed: int, number: int, expected: Any, points: int, counts: Counts
) -> None:
    """Kills a run up to three times, lets it end and compares."""
    chosen = random.Random(f"{seed} {case.name} {number}")
    folder = work / f"{case.name}-{number}"
    counts.trials += 1
    try:
        for _ in range(chosen.randint(1, _MOST_KILLS_OF_A_RUN)):
            delay = chosen.choice([0.0, chosen.uniform(0, _LONGEST_DELAY)])
            done = start(case, folder, chosen.randint(1, points), delay)
            if done.returncode != -9:  # it was over before that point
                assert done.returncode == 0, done.stderr
                break
            counts.kills += 1
            counts.resumes += 1
            case.check(folder)
        done = start(case, folder, 0, 0.0)
        assert done.returncode == 0, done.stderr
        found = case.result(folder, json.loads(done.stdout))
        assert found == expected, "another result"
    except AssertionError as error:
        first = (str(error).splitlines() or ["?"])[0]
        counts.differing.append(f"--command {case.name} --seed {seed} --only {number}: {first}")
    shutil.rmtree(folder, ignore_errors=True)


def run_case(case: Case, work: Path, *, kills: int, seed: int, only: int | None = None) -> Counts:
    """Trials until so many kills have happened, or one of them."""
    counts = Counts()
    expected, points = undisturbed(case, work / f"{case.name}-undisturbed")
    number = 0 if only is None else only
    while counts.trials == 0 or (only is None and counts.kills < kills):
        trial(case, work, seed=seed, number=number, expected=expected, points=points, counts=counts)
        sys.stderr.write(f"{case.name} {number} {counts}\n")
        number += 1
    return counts


def cases(corpus: Path, data: Path, trained: Path) -> dict[str, Case]:
    """All commands.

    Args:
      corpus: Text.
      data: The same, prepared.
      trained: A run.
    """

    def prepare(folder: Path) -> list[str]:
        options = ["--vocab-size", "600", "--sequence-length", "32", "--validation-fraction", "0.1"]
        return ["prepare-data", str(corpus), "--output", str(folder), "--json", *options,
                "--workers", "1"]  # fmt: skip

    def pretrain(folder: Path) -> list[str]:
        fixed = ["pretrain", "--preset", "tiny", "--device", "cpu", "--json", "--quiet"]
        places = ["--data", str(data), "--model-dir", str(folder), "--steps", str(STEPS)]
        return [*fixed, *places, *settings("optimizer.ema_decay=0.9")]

    def trained_state(folder: Path, result: dict[str, Any]) -> Any:
        lines = {kind: metric_lines(folder, kind) for kind in ("train", "validation")}
        return result["state_sha256"], result["evaluation"], lines

    def checkpoints_are_whole(folder: Path) -> None:
        for checkpoint in RunFolder(folder).all_checkpoints():
            assert fault_of(checkpoint.path, checkpoint.step) is None, checkpoint.path
            assert read_commit(checkpoint.path).step == checkpoint.step

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


def make_inputs(work: Path) -> dict[str, Case]:
    """A corpus, its prepared form and a run, and the commands over them."""
    from pydoc_data.topics import topics

    corpus, data, run = work / "topics.jsonl", work / "data", work / "trained"
    lines = [json.dumps({"id": name, "text": topics[name]}) for name in sorted(topics)[:40]]
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = cases(corpus, data, run)
    for name, folder in (("prepare-data", data), ("pretrain", run)):
        done = start(found[name], folder, 0, 0.0)
        assert done.returncode == 0, done.stderr
    return found


def main() -> int:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="append", help="only this one; repeatable")
    parser.add_argument("--only", type=int, help="repeat one trial")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = make_inputs(Path(folder))
        counts = {
            name: run_case(
                found[name], Path(folder), kills=chosen.kills, seed=chosen.seed, only=chosen.only
            )
            for name in chosen.command or found
        }
    sys.stdout.write(
        json.dumps({"seed": chosen.seed, **{k: vars(v) for k, v in counts.items()}}) + "\n"
    )
    return 1 if any(each.differing for each in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
