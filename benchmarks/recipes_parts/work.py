"""One recipe after the other: steps, training, evaluation, fine-tuning."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.config.rules.batches import stretches
from electra_cli.config.schema import Config
from electra_cli.modeling.budget import flops_by_step
from recipes_parts.book import Book, config_of, faults_of, finetune_options, most_steps
from recipes_parts.commands import CommandError, Electra
from recipes_parts.prepared import Prepared
from recipes_parts.results import Result, Results

HELD_OUT = ("masked_lm_loss", "disc_auc")
# How a run ends that has found no finite numbers any more; the code alone may be a fault of ours.
_DIVERGED, _SAYS = 70, "not finite"
# Enough for the speed of a step behind those that compile; none of them is kept.
_TRIAL_STEPS, _TRIAL_LOG = 120, 10
# Trials of each kind of update, in turn with all others.
_ROUNDS = 3
# What changes no update's time; recipes that differ in nothing else share their times.
_SAME_TIME = {
    "train": ("steps", "batch_size", "batch_schedule", "log_every", "evaluate_every",
              "checkpoint_every", "keep_checkpoints", "seed"),
    "optimizer": ("learning_rate", "warmup_steps", "schedule", "decay_steps", "decay_shape"),
}  # fmt: skip


@dataclass(frozen=True)
class Budget:
    """What every run may cost: seconds in updates, or FLOPs."""

    seconds: float | None = None
    flops: float | None = None

    @property
    def amount(self) -> float:
        """Of whichever it is."""
        found = self.seconds if self.flops is None else self.flops
        assert found is not None
        return found


class Work:
    """What one call does.

    Args:
      book: The recipes.
      data: What is trained on; prepared by the caller before the first run.
      labelled: A folder of labelled data; None for no fine-tuning.
      budget: Of each run.
      results: Where everything is kept.
      electra: Runs commands.
      device: What `--device` of all commands is.
    """

    def __init__(
        self,
        book: Book,
        *,
        data: Prepared,
        labelled: Path | None,
        budget: Budget,
        results: Results,
        electra: Electra,
        device: str,
    ) -> None:
        self._book, self._data, self._labelled = book, data, labelled
        self.budget, self._results = budget, results
        self._electra, self._device = electra, device

    @property
    def tasks(self) -> list[str]:
        """What is fine-tuned."""
        return [] if self._labelled is None else list(self._book.downstream)

    def parts(self, name: str) -> tuple[bool, ...]:
        """The runs of a recipe in their order; True for one that goes before the last."""
        return (False,) if self._book.recipes[name].first is None else (True, False)

    # -- steps -----------------------------------------------------------------------------------

    def known_steps(self, name: str, *, first: bool = False) -> int | None:
        """The steps of a recipe's runs; None if its speed has to be measured before."""
        plan = self._results.plan(name, self._recipe(name))
        if (found := plan.get(_steps_of(first))) is not None:
            return int(found)
        is_known = self.budget.flops is not None or self._fixed(name, first) is not None
        return self._most_steps(name, first, {}) if is_known else None

    def _fixed(self, name: str, first: bool) -> int | None:
        """The steps that a recipe has whatever the budget is."""
        return None if first else self._book.recipes[name].steps

    def measure(self, names: Sequence[str]) -> None:
        """Finds the steps of recipes that have none yet, and keeps them: all seeds have the same.

        At equal wall clock updates are timed, of all recipes in turn and before the first run, so
        that what disturbs the machine meets all of them and what it does later changes nothing. A
        disturbance can only make an update longer: the shortest time counts.
        """
        new = [
            (name, first)
            for name in names
            for first in self.parts(name)
            if _steps_of(first) not in self._results.plan(name, self._recipe(name))
        ]
        times: dict[tuple[str, int], list[float]] = {}
        for number in range(1, 1 + _ROUNDS if self.budget.flops is None else 1):
            for name, first in new:
                for update in self._updates(name, first):
                    if len(found := times.setdefault(update, [])) < number:
                        print(f"{name}: trial {number} of {_ROUNDS} …", file=sys.stderr, flush=True)
                        found.append(self._seconds_a_step(name, update[1], first))
        shutil.rmtree(self._trial, ignore_errors=True)
        for name, first in new:
            own = {update[1]: times.get(update, []) for update in self._updates(name, first)}
            plan = self._results.plan(name, self._recipe(name))
            plan[_steps_of(first)] = self._most_steps(
                name, first, {rows: min(found) for rows, found in own.items() if found}
            )
            plan[f"{_steps_of(first)}_seconds_a_step"] = {str(k): v for k, v in own.items()}
            self._results.keep_plan(name, plan)

    def _updates(self, name: str, first: bool) -> list[tuple[str, int]]:
        """The kinds of updates to time of a run: what decides the time of one, and its rows."""
        if self._fixed(name, first) is not None:
            return []
        config = self._config(name, 1000, first, self._trial / f"{name}-first")
        record = config.model_dump(mode="json")
        for section, keys in _SAME_TIME.items():
            for key in keys:
                del record[section][key]
        cost = json.dumps([record, self._book.packing(name)], sort_keys=True)
        return [(cost, rows) for rows in sorted({part.rows for part in stretches(config.train)})]

    def _most_steps(self, name: str, first: bool, speeds: Mapping[int, float]) -> int:
        """How many updates the budget pays for.

        Args:
          name: Of the recipe.
          first: The run that goes before is meant.
          speeds: Seconds of an update by its rows; not needed for FLOPs.
        """
        if (fixed := self._fixed(name, first)) is not None:
            return fixed
        before = self._book.recipes[name].first
        share = 1.0 if before is None else before.share if first else 1 - before.share

        vocabulary = self._data.vocab_size

        def cost(steps: int) -> float:
            config = self._config(name, steps, first, Path("first"))
            if self.budget.flops is not None:
                return flops_by_step(config.replaced({"model.vocab_size": vocabulary}))(steps)
            return seconds_of(config, steps, speeds)

        return most_steps(cost, self.budget.amount * share)

    @property
    def _trial(self) -> Path:
        return self._results.folder / "trial"

    def _seconds_a_step(self, name: str, rows: int, first: bool) -> float:
        weights = self._trial / f"{name}-first"  # of a trial too: their values cost no time
        folder = weights if first else self._trial / name
        settings = self._book.settings(name, _TRIAL_STEPS, first=first, weights=weights)
        settings |= {
            "train.batch_size": str(rows),
            "train.batch_schedule": "null",
            "train.log_every": str(_TRIAL_LOG),
            "train.evaluate_every": str(_TRIAL_STEPS),
            "train.checkpoint_every": str(_TRIAL_STEPS),
        }
        shutil.rmtree(folder, ignore_errors=True)
        found = self._electra(*self._pretraining(name, folder, settings, first))
        return float(rows / found["sequences_per_second"])

    def _config(self, name: str, steps: int, first: bool, weights: Path | None) -> Config:
        settings = self._book.settings(name, steps, first=first, weights=weights)
        return config_of(self._book.preset_of(name, first=first), settings)

    def check(self, names: Sequence[str]) -> None:
        """Makes sure that earlier calls had the same recipes, and that known steps are enough.

        Raises:
          ValueError: A recipe of that name was another, or shares of so few updates contradict
            each other.
        """
        for name in names:
            for first in self.parts(name):
                with faults_of(f"recipe {name}, within this budget"):
                    if (steps := self.known_steps(name, first=first)) is not None:
                        self._config(name, steps, first, Path("first"))

    def _recipe(self, name: str) -> dict[str, Any]:
        """What decides what the runs of a recipe compute."""
        return {
            "preset": self._book.preset_of(name),
            "set": {**self._book.set, **self._book.recipes[name].set},
            "packing": self._book.packing(name),
            **self._book.recipes[name].model_dump(mode="json", include={"first", "steps"}),
        }

    # -- runs ------------------------------------------------------------------------------------

    def run(self, name: str, seed: int) -> Result:
        """Trains, evaluates and fine-tunes one seed of a recipe; goes on where it was ended."""
        try:
            runs, folder = self._train(name, seed)
            metrics = self._held_out(name, seed, folder)
            for task in self.tasks:
                metrics[task] = self._score(name, seed, folder, task)
        except CommandError as error:
            if error.code != _DIVERGED or _SAYS not in str(error):
                raise
            nothing = dict.fromkeys((*HELD_OUT, *self.tasks))
            elapsed = sum(self._results.spent(name, seed).values())
            return Result(name, seed, 0, 0.0, None, elapsed, nothing, str(error))
        seconds = [run["goodput"]["productive_seconds"] for run in runs]
        return Result(
            name,
            seed,
            steps=sum(run["final_step"] for run in runs),
            flops=sum(run["flops"] for run in runs),
            seconds=None if None in seconds else sum(seconds),
            elapsed=self._elapsed(name, seed, runs),
            metrics=metrics,
        )

    def _train(self, name: str, seed: int) -> tuple[list[dict[str, Any]], Path]:
        """The results of the runs of a recipe, and the folder of the last one."""
        place = self._results.folder / "runs" / name
        runs, weights = [], None
        for first in self.parts(name):
            folder = place / (f"seed-{seed}-first" if first else f"seed-{seed}")
            steps = self.known_steps(name, first=first)
            assert steps is not None  # measured before the first run
            settings = self._book.settings(name, steps, first=first, weights=weights)
            settings["train.seed"] = str(seed)
            words = self._pretraining(name, folder, settings, first)
            runs.append(self._timed(name, seed, *words))
            weights = folder
        return runs, folder

    def _timed(self, name: str, seed: int, *words: object) -> dict[str, Any]:
        """Runs a command of a seed of a recipe; its time counts however it ends."""
        began = time.monotonic()
        try:
            return self._electra(*words)
        finally:
            self._results.spend(name, seed, str(words[0]), time.monotonic() - began)

    def _elapsed(self, name: str, seed: int, runs: Sequence[Mapping[str, Any]]) -> float:
        """Seconds of all commands in all calls.

        Of a call that was killed the runs themselves know more.
        """
        spent = dict(self._results.spent(name, seed))
        known = sum(run["goodput"]["process_seconds"] or 0.0 for run in runs)
        return max(spent.pop("pretrain", 0.0), known) + sum(spent.values())

    def _pretraining(
        self, name: str, folder: Path, settings: Mapping[str, str], first: bool
    ) -> list[object]:
        pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        data = self._data.folder(self._book.packing(name))
        return [
            "pretrain", "--preset", self._book.preset_of(name, first=first), "--data", data,
            "--model-dir", folder, "--device", self._device, *pairs,
        ]  # fmt: skip

    def _held_out(self, name: str, seed: int, folder: Path) -> dict[str, float | None]:
        """Metrics over the same rows for all, in float32 whatever a run computes in."""
        data = self._data.folder(self._data.main)
        shown = self._timed(
            name, seed, "evaluate", folder, "--data", data, "--device", self._device
        )
        found = shown["checkpoints"][0]["metrics"]
        return {metric: found.get(metric) for metric in HELD_OUT}

    def _score(self, name: str, seed: int, folder: Path, task: str) -> float | None:
        """The mean over the seeds of a fine-tuning."""
        options = finetune_options(self._book.downstream[task], self._labelled)
        output = self._results.folder / "finetuned" / name / f"seed-{seed}" / task
        found = self._timed(
            name, seed, "finetune", folder, "--output", output, "--device", self._device, *options
        )
        columns: Sequence[Mapping[str, Any]] = found["columns"]
        return next(column["mean"] for column in columns if column["role"] == "model")


def seconds_of(config: Config, steps: int, speeds: Mapping[int, float]) -> float:
    """What the first updates of a run take.

    Args:
      config: Its configuration.
      steps: How many.
      speeds: Seconds of an update by its rows.
    """
    parts = stretches(config.train)
    ends = [*(part.first_step for part in parts[1:]), steps]
    return sum(
        max(0, min(end, steps) - part.first_step) * speeds[part.rows]
        for part, end in zip(parts, ends, strict=True)
    )


def _steps_of(first: bool) -> str:
    return "first_steps" if first else "steps"
