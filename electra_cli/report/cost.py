"""What a run has cost: updates, tokens, FLOPs, hours, restarts, goodput."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from electra_cli.config.rules.batches import Sizes
from electra_cli.config.schema import Config
from electra_cli.errors import ElectraError
from electra_cli.modeling.budget import budget_of
from electra_cli.report.starts import Start, starts_of
from electra_cli.runs.branch import first_step
from electra_cli.runs.metrics_file import History, read_history
from electra_cli.runs.run_folder import RunFolder
from electra_cli.runs.totals import Totals


@dataclass(frozen=True)
class Goodput:
    """What the time of a run's processes has come to; None where its lines do not tell.

    Times are known if all of its processes have said when they began, which those of an older
    electra have not.

    Attributes:
      productive_seconds: Time in updates that the weights have seen, without evaluations,
        checkpoints and compilation: the updates of each process times the seconds of one.
      process_seconds: From the start of each process to its last line, summed.
      goodput: The first as a share of the second.
      restarts: Processes after the first.
      lost_steps: Updates that were done again, or have to be, since a process had died without
        saving them.
      seconds_to_first_step: Of the newest process, from its start to the end of its first update.
    """

    productive_seconds: float | None
    process_seconds: float | None
    goodput: float | None
    restarts: int | None
    lost_steps: int | None
    seconds_to_first_step: float | None


@dataclass(frozen=True)
class Cost(Goodput):
    """What a run has cost; None where its files do not tell.

    Attributes:
      steps: Updates that the weights have seen.
      planned_steps: Updates of the whole run; None for no end.
      rows: Rows of those updates; a row that was read twice counts twice.
      epochs: How often each row was read; None without data.
      tokens: Positions of those rows, padding included.
      flops_per_token: Of an update and a position, as `modeling.budget` counts.
      flops: Of all updates that the weights have seen.
      training_seconds: As `productive_seconds`, with the updates that were lost.
      elapsed_seconds: From the start of the run to its last line, times without a process included.
    """

    steps: int
    planned_steps: int | None
    rows: int
    epochs: float | None
    tokens: int
    flops_per_token: float
    flops: float
    training_seconds: float | None
    elapsed_seconds: float | None


def cost_of(
    config: Config,
    starts: Sequence[Start],
    *,
    step: int,
    totals: Totals,
    examples: int | None,
    first_step: int = 0,
) -> Cost:
    """Computes what a run has cost.

    Args:
      config: Its configuration.
      starts: Its processes.
      step: Updates that the weights have seen.
      totals: Of those.
      examples: Prepared rows to train on; None if that is not known.
      first_step: The step at which the run began; what a branch copied has cost others time.
    """
    budget = budget_of(config)
    rows = totals.rows
    training = elapsed = None
    if starts and starts[0].step == first_step:
        training = sum(s.seconds_in(s.step, s.last_step) for s in starts)
        elapsed = max(s.time + s.seconds for s in starts) - starts[0].time
    return Cost(
        **vars(goodput_of(starts, step=step, first_step=first_step)),
        steps=step,
        planned_steps=config.train.steps,
        rows=rows,
        epochs=rows / examples if examples else None,
        tokens=rows * config.data.sequence_length,
        flops_per_token=budget.flops_per_token,
        flops=totals.flops,
        training_seconds=training,
        elapsed_seconds=elapsed,
    )


def goodput_of(starts: Sequence[Start], *, step: int, first_step: int = 0) -> Goodput:
    """Computes what the time of processes has come to.

    Args:
      starts: The processes of a run.
      step: Updates that the weights have seen.
      first_step: The step at which the run began.
    """
    first = starts[-1].seconds_to_first_step if starts else None
    if not starts or starts[0].step > first_step:
        return Goodput(None, None, None, None, None, first)
    kept = _kept(starts, step)
    seconds = sum(start.seconds for start in starts)
    productive = sum(s.seconds_in(s.step, s.step + n) for n, s in zip(kept, starts, strict=True))
    return Goodput(
        productive_seconds=productive,
        process_seconds=seconds,
        goodput=min(1.0, productive / seconds) if seconds > 0 else None,
        restarts=len(starts) - 1,
        lost_steps=sum(s.last_step - s.step for s in starts) - sum(kept),
        seconds_to_first_step=first,
    )


def read_goodput(run: RunFolder, sizes: Sizes, *, step: int) -> Goodput:
    """`goodput_of` what a run has written so far; of lines that cannot be read it is not known.

    Args:
      run: The run folder.
      sizes: How large updates are.
      step: Updates that the weights have seen.
    """
    try:
        history, first = read_history(run.metrics), first_step(run)
    except (OSError, ElectraError):
        history, first = History.of(()), 0
    return goodput_of(starts_of(history, sizes), step=step, first_step=first)


def _kept(starts: Sequence[Start], step: int) -> list[int]:
    """How many updates of each process no later one has done again."""
    later = list(accumulate((s.step for s in reversed(starts[1:])), min, initial=step))[::-1]
    return [max(0, min(s.last_step, end) - s.step) for s, end in zip(starts, later, strict=True)]
