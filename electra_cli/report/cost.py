"""What a run has cost: updates, tokens, FLOPs, hours, restarts, goodput."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a run has cost; None where its files do not tell.

    Attributes:
      steps: Updates that the weights have seen.
      planned_steps: Updates of the whole run.
      rows: Rows of those updates, repeated ones counted again.
      epochs: How often each row was read.
      tokens: Positions of those rows, padding included.
      flops_per_token: Of an update and a position, as `modeling.budget` counts.
      flops: Of all updates that the weights have seen.
      training_seconds: Time in updates, those done again included, without evaluations,
        checkpoints and compilation: updates times the seconds of one, by the speed that each
        process had at its last logged step.
      process_seconds: From the first to the last line of each process, summed.
      elapsed_seconds: From the first line of the run to the last, times without a process included.
      restarts: Processes after the first.
      repeated_steps: Updates that were done again, since a process had died without saving them.
      goodput: Share of `process_seconds` in updates that the weights have seen.
    """

    steps: int
    planned_steps: int
    rows: int
    epochs: float | None
    tokens: int
    flops_per_token: float
    flops: float
    training_seconds: float | None
    process_seconds: float | None
    elapsed_seconds: float | None
    restarts: int | None
    repeated_steps: int | None
    goodput: float | None
