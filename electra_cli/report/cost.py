"""What a run has cost: updates, tokens, FLOPs, hours, restarts, goodput."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from electra_cli.config.schema import Config
from electra_cli.modeling.budget import budget_of
from electra_cli.report.starts import Start


@dataclass(frozen=True)
class Cost:
    """What a run has cost; None where its files do not tell.

    What the weights have seen is known of every run. Times are known if all of its processes have
    said when they began, which those of an older electra have not.

    Attributes:
      steps: Updates that the weights have seen.
      planned_steps: Updates of the whole run.
      rows: Rows of those updates; a row that was read twice counts twice.
      epochs: How often each row was read; None without data.
      tokens: Positions of those rows, padding included.
      flops_per_token: Of an update and a position, as `modeling.budget` counts.
      flops: Of all updates that the weights have seen.
      training_seconds: Time in updates, those done again included, without evaluations,
        checkpoints and compilation: the updates of each process times the seconds of one.
      process_seconds: From the first to the last line of each process, summed.
      elapsed_seconds: From the first line of the run to the last, times without a process included.
      restarts: Processes after the first.
      repeated_steps: Updates that were done again, or have to be, since a process had died without
        saving them.
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


def cost_of(config: Config, starts: Sequence[Start], *, step: int, examples: int | None) -> Cost:
    """Computes what a run has cost.

    Args:
      config: Its configuration.
      starts: Its processes.
      step: Updates that the weights have seen.
      examples: Prepared rows to train on; None if that is not known.
    """
    budget = budget_of(config)
    rows, tokens = step * config.train.batch_size, step * budget.tokens_per_step
    seconds = training = elapsed = goodput = None
    repeated = restarts = None
    if starts and starts[0].step == 0:
        seconds = sum(start.seconds for start in starts)
        training = sum((s.last_step - s.step) * (s.step_seconds or 0.0) for s in starts)
        kept = _kept(starts, step)
        useful = sum(n * (s.step_seconds or 0.0) for n, s in zip(kept, starts, strict=True))
        elapsed = max(s.time + s.seconds for s in starts) - starts[0].time
        goodput = min(1.0, useful / seconds) if seconds > 0 else None
        repeated = sum(s.last_step - s.step for s in starts) - sum(kept)
        restarts = len(starts) - 1
    return Cost(
        steps=step,
        planned_steps=config.train.steps,
        rows=rows,
        epochs=rows / examples if examples else None,
        tokens=tokens,
        flops_per_token=budget.flops_per_token,
        flops=tokens * budget.flops_per_token,
        training_seconds=training,
        process_seconds=seconds,
        elapsed_seconds=elapsed,
        restarts=restarts,
        repeated_steps=repeated,
        goodput=goodput,
    )


def _kept(starts: Sequence[Start], step: int) -> list[int]:
    """How many updates of each process no later one has done again."""
    later = list(accumulate((s.step for s in reversed(starts[1:])), min, initial=step))[::-1]
    return [max(0, min(s.last_step, end) - s.step) for s, end in zip(starts, later, strict=True)]
