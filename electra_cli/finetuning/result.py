"""What came of a fine-tuning: of each run, of each column, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from electra_cli.errors import TrainingError
from electra_cli.finetuning.columns import ColumnPlan
from electra_cli.metrics.names import finite
from electra_cli.metrics.scores.names import higher_is_better
from electra_cli.metrics.scores.spread import Column, Role, Spread, spread
from electra_cli.metrics.scores.verdict import verdict

_FORMAT_VERSION = 1
_ROLES = ("model", "probe", "random")  # the order of a table


@dataclass(frozen=True)
class SeedResult:
    """One run, FINETUNED/COLUMN/seed-N/result.json.

    Attributes:
      column: The folder of its column.
      label: What people call that.
      role: model, random or probe.
      pretraining_steps: Steps of the pretraining; None where that is not known.
      seed: Its seed.
      steps: Updates.
      loss: Of the last update, a mean over its rows; None if this process made none.
      metrics: On what is scored; None for what is no number.
      threshold: Null odds above which a question counts as unanswered; None for other kinds.
      state_sha256: Of weights and optimizer; empty for a run that has diverged.
      sequences_per_second: Of training, without the first loop.
      pretraining_flops: FLOPs of the pretraining; None where that is not known.
    """

    column: str
    label: str
    role: Role
    pretraining_steps: int | None
    seed: int
    steps: int
    loss: float | None
    metrics: Mapping[str, float | None]
    threshold: float | None
    state_sha256: str
    sequences_per_second: float
    pretraining_flops: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The object in the file."""
        return {"format_version": _FORMAT_VERSION, **asdict(self)}

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> SeedResult:
        """Reads the object back.

        Raises:
          KeyError, TypeError: It is none.
        """
        # That of an older electra does not say what the pretraining has cost.
        record = {"pretraining_flops": None, **record}
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})

    @classmethod
    def diverged(cls, column: ColumnPlan, seed: int, metrics: Sequence[str]) -> SeedResult:
        """That of a run that found no finite numbers any more."""
        nothing = dict.fromkeys(metrics)
        return cls(**column.record, seed=seed, steps=0, loss=None, metrics=nothing,
                   threshold=None, state_sha256="", sequences_per_second=0.0)  # fmt: skip

    def score(self, metric: str) -> float:
        """One of the metrics; NaN where it is not defined."""
        value = self.metrics.get(metric)
        return math.nan if value is None else value


@dataclass(frozen=True)
class Comparison:
    """All runs of a fine-tuning.

    Attributes:
      columns: What was trained.
      runs: What came of it, by the name of the column.
      metric: What they are compared by.
      majority: What it scores to say always the same.
      title: The task.
    """

    columns: Sequence[ColumnPlan]
    runs: Mapping[str, Sequence[SeedResult]]
    metric: str
    majority: float
    title: str

    def joined(self, results: Sequence[SeedResult]) -> Comparison:
        """The same with more runs, also of other columns."""
        columns = {column.name: column for column in self.columns}
        runs = {name: list(self.runs.get(name, ())) for name in columns}
        for result in results:
            if result.column not in columns:
                columns[result.column] = ColumnPlan(
                    result.column,
                    result.label,
                    result.role,
                    result.pretraining_steps,
                    None,
                    result.pretraining_flops,
                )
            runs.setdefault(result.column, []).append(result)
        for of_column in runs.values():
            of_column.sort(key=lambda run: run.seed)
        order = sorted(columns.values(), key=lambda c: (_ROLES.index(c.role), c.step or 0))
        return replace(self, columns=order, runs=runs)

    def scored(self) -> list[Column]:
        """The columns with their scores of each seed."""
        return [
            Column(
                label=column.label,
                step=column.step,
                scores={run.seed: run.score(self.metric) for run in self.runs[column.name]},
                role=column.role,
                flops=column.flops,
            )
            for column in self.columns
        ]

    def spreads(self) -> dict[str, Spread]:
        """What the seeds of each column say together, by the column's name."""
        return {
            column.name: spread(scored.scores, metric=self.metric, majority=self.majority)
            for column, scored in zip(self.columns, self.scored(), strict=True)
        }

    @property
    def best_column(self) -> ColumnPlan:
        """The model whose mean is best; the earliest of several.

        Raises:
          TrainingError: Every run of every model has diverged.
        """
        sign = 1 if higher_is_better(self.metric) else -1
        found = self.spreads()
        models = [c for c in self.columns if c.role == "model" and self._whole(c)]
        if not models:
            raise TrainingError(
                "every run has diverged: loss or gradient were not finite",
                hint="--learning-rate with a lower one and another --output, or --precision "
                "float32",
            )
        return max(models, key=lambda column: sign * found[column.name].mean)

    @property
    def best(self) -> SeedResult:
        """The best run of the best column."""
        return self.best_of(self.best_column)

    def best_of(self, column: ColumnPlan) -> SeedResult:
        """The best run of a column, which has not diverged; the first of several."""
        sign = 1 if higher_is_better(self.metric) else -1
        scores = self.spreads()[column.name].scores
        return max(self._whole(column), key=lambda run: sign * scores[run.seed])

    def _whole(self, column: ColumnPlan) -> list[SeedResult]:
        return [run for run in self.runs[column.name] if run.state_sha256]

    def verdict(self) -> list[str]:
        """What the table shows, in sentences."""
        return verdict(self.scored(), metric=self.metric, majority=self.majority)

    def as_json(self) -> dict[str, Any]:
        """The part of `electra finetune --json` that says what came of the runs."""
        return {
            "metric": self.metric,
            "majority": _number(self.majority),
            "columns": [
                {
                    "column": column.name,
                    "label": column.label,
                    "role": column.role,
                    "pretraining_steps": column.step,
                    "pretraining_flops": column.flops,
                    "median": _number(found.median),
                    "mean": _number(found.mean),
                    "standard_deviation": _number(found.deviation),
                    "best": _number(found.best),
                    "failed_seeds": list(found.failed),
                    "runs": [
                        {k: v for k, v in asdict(run).items() if k not in column.record}
                        for run in self.runs[column.name]
                    ],
                }
                for column, found in zip(self.columns, self.spreads().values(), strict=True)
            ],
            "best": {"column": self.best.column, "seed": self.best.seed},
            "verdict": self.verdict(),
        }


def _number(value: float) -> float | None:
    return finite({"value": value})["value"]
