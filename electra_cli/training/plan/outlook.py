"""What a run says about itself: before step 1, after a loop, after an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from electra_cli.config.schema import Precision, check_batch
from electra_cli.interop.values import Report
from electra_cli.modeling.budget import Budget, Compute, budget_of, epochs_of
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.devices import machine
from electra_cli.training.devices.memory import Memory, memory_of
from electra_cli.training.plan.preflight import Plan

# A guess for the time before anything was measured; the display says that it is one.
_ASSUMED_PEAK_SHARE = 0.3


@dataclass(frozen=True)
class Outlook:
    """What can be said before the first step.

    Attributes:
      budget: Parameters, FLOPs, tokens and memory.
      device: The devices in words.
      replicas: Copies of the model.
      asked: The precision that was asked for, which may be auto.
      precision: The compute type.
      xla: Whether the whole step is compiled.
      epochs: How often the run sees each example; None without data.
      peak_flops: The measured matmul peak, FLOP per second.
      start_step: The step it begins at.
      stop: The step it ends at.
      seconds: An estimate of the time it will take.
      memory: What it needs and has.
      begun: The run has a folder already.
    """

    budget: Budget
    device: str
    replicas: int
    asked: Precision
    precision: Compute
    xla: bool
    epochs: float | None
    peak_flops: float
    start_step: int
    stop: int
    seconds: float
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


@dataclass(frozen=True)
class Progress:
    """The state of a running training.

    Attributes:
      step: Updates done.
      stop: Updates at the end.
      logs: Losses, gradient norm and learning rate of that step.
      sequences_per_second: Over all loops but the first.
      tokens_per_second: The same in tokens (padding included).
      peak_share: Share of the machine's measured matmul peak.
      seconds_left: Until the last step, without evaluations; None while only the first loop,
        which compiles, was timed.
    """

    step: int
    stop: int
    logs: Mapping[str, float]
    sequences_per_second: float
    tokens_per_second: float
    peak_share: float
    seconds_left: float | None


class Listener(Protocol):
    """Who wants to see a run; everything it is told has happened already."""

    def outlook(self, outlook: Outlook) -> None:
        """The numbers before step 1."""

    def initialized(self, report: Report) -> None:
        """The first weights were loaded."""

    def resumed(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was restored."""

    def progress(self, progress: Progress) -> None:
        """A loop has ended."""

    def warn(self, text: str) -> None:
        """Something failed that does not end the run."""

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """A validation has ended; `before` is the previous one of this process."""


def outlook_of(plan: Plan, strategy: tf.distribute.Strategy, *, dry_run: bool = False) -> Outlook:
    """Computes and measures what is printed before step 1.

    Args:
      plan: The run.
      strategy: Its devices.
      dry_run: It need not fit into memory.

    Raises:
      ConfigError: The batch cannot be shared out.
      OutOfMemoryError: It cannot fit; TensorFlow would end the process, and say nothing.
    """
    start_step = plan.resume.step if plan.resume else 0
    replicas = strategy.num_replicas_in_sync
    check_batch(plan.config, replicas)
    precision = machine.resolve_precision(plan.config.runtime.precision, strategy)
    budget = budget_of(plan.config, replicas=replicas, precision=precision)
    memory = memory_of(plan.config, precision=precision, strategy=strategy)
    begun = plan.run.config.is_file()
    if memory.is_impossible and not dry_run:
        raise memory.error("this does not fit into memory", begun=begun)
    peak = machine.matmul_peak(precision, strategy)
    per_step = budget.flops_per_token * budget.tokens_per_step / (peak * _ASSUMED_PEAK_SHARE)
    return Outlook(
        budget=budget,
        device=", ".join(d.split("device:")[-1] for d in strategy.extended.worker_devices),
        replicas=replicas,
        asked=plan.config.runtime.precision,
        precision=precision,
        xla=machine.resolve_xla(plan.config.runtime.xla, strategy),
        epochs=epochs_of(plan.config, plan.manifest.examples) if plan.manifest else None,
        peak_flops=peak,
        start_step=start_step,
        stop=plan.stop,
        seconds=per_step * (plan.stop - start_step),
        memory=memory,
        begun=begun,
    )
