"""What a call has found, in files that later calls go on from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from electra_cli.files.atomic import atomic_write_text


@dataclass(frozen=True)
class Result:
    """What came of one seed of a recipe.

    Attributes:
      recipe: Its name.
      seed: Its seed.
      steps: Updates, of the run that goes before too.
      flops: Of all updates.
      seconds: In updates, without compilation, evaluation and checkpoints.
      elapsed: Of all commands in all calls: compilation, evaluation and fine-tuning too.
      metrics: By name, held-out ones and the score of each task; None for what is not known.
      error: Why the run has none; a run that has diverged is a result too.
    """

    recipe: str
    seed: int
    steps: int
    flops: float
    seconds: float | None
    elapsed: float
    metrics: dict[str, float | None]
    error: str | None = None


class Results:
    """OUTPUT: results/RECIPE/seed-N.json, plans/RECIPE.json, spent/RECIPE/seed-N.json, about.json.

    Args:
      folder: OUTPUT.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, about: dict[str, Any]) -> None:
        """Says what all runs share.

        Raises:
          ValueError: Earlier calls had something else.
        """
        self._same(self.folder / "about.json", about, "budget, corpus or tasks")

    def plan(self, name: str, recipe: dict[str, Any]) -> dict[str, Any]:
        """What is known of a recipe: the steps of its runs, as soon as they are.

        Raises:
          ValueError: There was another recipe of this name.
        """
        path = self._plan(name)
        known = read(path)
        if known and known["recipe"] != recipe:
            raise ValueError(
                f"{path} is of another recipe {name}: call this one otherwise, or choose another "
                "--output"
            )
        return known or {"recipe": recipe}

    def keep_plan(self, name: str, plan: dict[str, Any]) -> None:
        """Writes it."""
        write(self._plan(name), plan)

    def spend(self, name: str, seed: int, command: str, seconds: float) -> None:
        """Adds the time of a command, however it ended."""
        spent = self.spent(name, seed)
        write(self._spent(name, seed), spent | {command: spent.get(command, 0.0) + seconds})

    def spent(self, name: str, seed: int) -> dict[str, float]:
        """Seconds of a seed of a recipe by command, of all calls."""
        return read(self._spent(name, seed))

    def keep(self, result: Result) -> None:
        """Writes a result."""
        write(self._result(result.recipe, result.seed), asdict(result))

    def is_done(self, name: str, seed: int) -> bool:
        """Whether there is a result."""
        return self._result(name, seed).is_file()

    def all(self, names: list[str]) -> list[Result]:
        """The results of recipes, in their order and by seed."""
        found = [Result(**read(path)) for path in self.folder.glob("results/*/seed-*.json")]
        known = [result for result in found if result.recipe in names]
        return sorted(known, key=lambda result: (names.index(result.recipe), result.seed))

    def _plan(self, name: str) -> Path:
        return self.folder / "plans" / f"{name}.json"

    def _result(self, name: str, seed: int) -> Path:
        return self.folder / "results" / name / f"seed-{seed}.json"

    def _spent(self, name: str, seed: int) -> Path:
        return self.folder / "spent" / name / f"seed-{seed}.json"

    def _same(self, path: Path, about: dict[str, Any], what: str) -> None:
        known = read(path)
        if known and known != about:
            raise ValueError(f"{path} has another {what} ({known}): choose another --output")
        write(path, about)


def files_of(path: Path) -> dict[str, int]:
    """What tells a file or a folder from others wherever it lies: names and bytes of its files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name: file.stat().st_size for file in files if file.is_file()}


def read(path: Path) -> dict[str, Any]:
    """A file of ours; empty if it is not there."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(value, indent=1) + "\n")
