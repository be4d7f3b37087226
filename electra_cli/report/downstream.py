"""Scores of fine-tuned models that stand on the runs of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DownstreamColumn:
    """Models that differ in their seed alone.

    Attributes:
      label: What people call them, such as "step 10,000", "random weights".
      role: model, probe or random.
      steps: Updates of the pretraining; None where that is not known.
      mean: Of the score over the seeds; None for no number.
      standard_deviation: The same.
      seeds: How many.
      failed: How many of them learned nothing.
    """

    label: str
    role: str
    steps: int | None
    mean: float | None
    standard_deviation: float | None
    seeds: int
    failed: int


@dataclass(frozen=True)
class Downstream:
    """A fine-tuning, FINETUNED/result.json.

    Attributes:
      place: Its folder, as it may be shown.
      run: The name of the run in this report that it stands on; None for another.
      task: What was learned.
      metric: What is scored.
      majority: What it scores to say always the same; None for no number.
      columns: Models, in the order of its table.
      verdict: What its table shows, a sentence each.
    """

    place: str
    run: str | None
    task: str
    metric: str
    majority: float | None
    columns: Sequence[DownstreamColumn]
    verdict: Sequence[str]
