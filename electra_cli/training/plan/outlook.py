"""What can be said of a run before its first step."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import tensorflow as tf

from electra_cli.config.choices import Precision
from electra_cli.config.rules.batches import check_batch, rows_before
from electra_cli.errors import listed
from electra_cli.modeling.budget import Budget, Compute, budget_of, epochs_of
from electra_cli.training.devices import machine
from electra_cli.training.devices.gpus import called
from electra_cli.training.devices.memory import AnyConfig, BudgetOf, Memory, memory_of
from electra_cli.training.plan.plans import DryPlan

# A guess for the time before anything was measured; the display says that it is one.
_ASSUMED_PEAK_SHARE = 0.3


@dataclass(frozen=True)
class Rates:
    """The speed of a training; zeros before the first loop has ended.

    Attributes:
      sequences_per_second: Over all loops but the first.
      tokens_per_second: The same in tokens, padding included.
      peak_share: Share of the machine's measured matmul peak.
    """

    sequences_per_second: float = 0.0
    tokens_per_second: float = 0.0
    peak_share: float = 0.0


@dataclass(frozen=True)
class Outlook:
    """What can be said before the first step.

    Attributes:
      budget: Parameters, FLOPs, tokens and memory.
      batch: Rows of a step, of the last one where they grow.
      device: The devices in words.
      replicas: Copies of the model.
      asked: The precision that was asked for, which may be auto.
      precision: The compute type.
      xla: Whether the whole step is compiled.
      epochs: How often the run sees each example; None without data, or without an end.
      peak_flops: The measured matmul peak, FLOP per second.
      start_step: The step it begins at.
      stop: The step it ends at; None for no end.
      flops: Of all updates up to there; None for no end.
      seconds: An estimate of the time it will take; None for no end.
      memory: What it needs and has.
      begun: The run has a folder already.
    """

    budget: Budget
    batch: int
    device: str
    replicas: int
    asked: Precision
    precision: Compute
    xla: bool
    epochs: float | None
    peak_flops: float
    start_step: int
    stop: int | None
    flops: float | None
    seconds: float | None
    memory: Memory
    begun: bool

    @property
    def shortage(self) -> str | None:
        """A warning if it may not fit into memory."""
        if not self.memory.is_doubtful:
            return None
        message, hint = self.memory.shortage(begun=self.begun)
        will = "will" if self.memory.is_impossible else "may"
        return f"this {will} not fit into memory: {message}; {hint}"

    def rates(self, seconds_per_step: float, batch: int | None = None) -> Rates:
        """The speed at which a step takes so long; 0 if that is not known yet.

        Args:
          seconds_per_step: Of updates of one size.
          batch: Their rows; None for that of most steps.
        """
        if not seconds_per_step:
            return Rates()
        rows = self.batch if batch is None else batch
        tokens = self.budget.tokens_per_step / self.batch * rows / seconds_per_step
        share = tokens * self.budget.flops_per_token / self.peak_flops
        return Rates(rows / seconds_per_step, tokens, share)


def outlook_of(
    plan: DryPlan, strategy: tf.distribute.Strategy, *, dry_run: bool = False
) -> Outlook:
    """The outlook of a pretraining; see `look_ahead`."""
    examples = plan.manifest.examples if plan.manifest else None
    return look_ahead(
        plan.config,
        strategy,
        budget_of,
        length=plan.config.data.sequence_length,
        epochs=None if examples is None else epochs_of(plan.config, examples),
        start=plan.start,
        stop=plan.stop,
        begun=plan.run.is_run,
        workers=plan.workers,
        dry_run=dry_run,
    )


def look_ahead(
    config: AnyConfig,
    strategy: tf.distribute.Strategy,
    budget: BudgetOf,
    *,
    length: int,
    epochs: float | None,
    start: int,
    stop: int | None,
    begun: bool,
    workers: int = 1,
    dry_run: bool = False,
) -> Outlook:
    """Computes and measures what is printed before step 1.

    Args:
      config: The configuration.
      strategy: Its devices; for a dry run those of one worker.
      budget: What a configuration costs.
      length: Tokens of a row.
      epochs: How often each example is seen; None without data, or without an end.
      start: The step it begins at.
      stop: The last step; None for no end.
      begun: The run has a folder already.
      workers: How many there are; they are taken to be alike.
      dry_run: It need not fit into memory.

    Raises:
      ConfigError: The batch cannot be shared out.
      OutOfMemoryError: It cannot fit; TensorFlow would end the process, and say nothing.
    """
    replicas = strategy.num_replicas_in_sync * (workers if dry_run else 1)
    check_batch(config.train, replicas)
    precision = machine.resolve_precision(config.runtime.precision, strategy)
    xla = machine.resolve_xla(config.runtime.xla, strategy)
    on_cpu = machine.device_of(strategy).device_type == "CPU"
    costs = functools.partial(budget, compiled=xla and not on_cpu)
    cost = costs(config, replicas, precision)
    memory = memory_of(
        config, costs, length=length, precision=precision, replicas=replicas, strategy=strategy
    )
    if memory.is_impossible and not dry_run:
        raise memory.error("this does not fit into memory", begun=begun)
    peak = machine.matmul_peak(precision, strategy, replicas=replicas, workers=workers)
    here = listed([called(device) for device in strategy.extended.worker_devices])
    of_row, speed = cost.flops_per_token * length, peak * _ASSUMED_PEAK_SHARE
    done = rows_before(config.train, start)
    rows = None if stop is None else rows_before(config.train, stop)
    return Outlook(
        budget=cost,
        batch=config.train.batch_size,
        device=f"{here} on each of {workers} workers" if workers > 1 else here,
        replicas=replicas,
        asked=config.runtime.precision,
        precision=precision,
        xla=xla,
        epochs=epochs,
        peak_flops=peak,
        start_step=start,
        stop=stop,
        flops=None if rows is None else of_row * rows,
        seconds=None if rows is None else of_row / speed * (rows - done),
        memory=memory,
        begun=begun,
    )
