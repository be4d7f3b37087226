"""A trainer on its way to its last step: what is logged, shown, saved and evaluated meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from electra_cli.cluster.acts import by_chief
from electra_cli.errors import ElectraError
from electra_cli.files.redaction import redacted
from electra_cli.health.finding import Change
from electra_cli.metrics.names import FLOPS
from electra_cli.runs.metrics_file import Kind
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.devices.failures import COMPILER_ENDED, failure_of
from electra_cli.training.loop.actions import SaveAction, every, stop_when_diverged
from electra_cli.training.loop.controller import make_controller, steps_per_loop
from electra_cli.training.loop.evaluations import EvaluationAction, Evaluations
from electra_cli.training.loop.health import Health
from electra_cli.training.loop.listener import Listener, Metrics, Progress
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.outlook import Rates


@dataclass(frozen=True)
class Intervals:
    """How many steps are from one log, checkpoint and evaluation to the next.

    Attributes:
      from_step_0: Whether a new run is saved and evaluated before its first step.
    """

    log: int
    checkpoint: int
    evaluation: int
    from_step_0: bool = True


class Session:
    """What a process does of a run; it knows no task.

    Args:
      trainer: The trainer; its state is that of the step to begin at.
      intervals: What happens how often.
      stop: The last step; None for no end.
      saver: Saves checkpoints.
      writer: Writes metrics; it is closed by whoever has made it.
      listener: Hears what happens.
      signals: Tell whether to stop.
      rates: The speed by the seconds a step takes.
      work: What so many updates have taken, in any unit that their time goes with.
      examples_of: The examples of a step, for an error about it.
      on_evaluation: What else is done with what comes out of an evaluation.
      health: What is wrong with the run; None if nobody asks.
      flops: FLOPs of so many updates, for every line about them; None where nobody counts them.
      process: What a line of kind `start` says of this process; None for no such line, nor one of
        kind `end`.

    Attributes:
      last_logs: Of the last training step; empty if there was none.
    """

    def __init__(
        self,
        trainer: ElectraTrainer,
        intervals: Intervals,
        *,
        stop: int | None,
        saver: CheckpointSaver,
        writer: MetricWriter,
        listener: Listener,
        signals: StopSignals,
        rates: Callable[[float], Rates],
        work: Callable[[int], float] = float,
        examples_of: Callable[[int], Sequence[int]],
        on_evaluation: Sequence[EvaluationAction] = (),
        health: Health | None = None,
        flops: Callable[[int], float] | None = None,
        process: Mapping[str, Any] | None = None,
    ) -> None:
        self._trainer, self._rates, self._work = trainer, rates, work
        self._last, self._stop = stop, math.inf if stop is None else stop
        self._from_step_0 = intervals.from_step_0
        self._saver, self._writer = saver, writer
        self._listener, self._signals = listener, signals
        self._health, self._process, self._flops = health, process, flops
        self._worker = saver.worker
        self._shown: tuple[int, Metrics] | None = None
        self.last_logs: dict[str, float] = {}
        step = trainer.step
        save = SaveAction(
            saver, interval=intervals.checkpoint, last_step=stop, step=step, warn=self._warn_for_all
        )
        ends = (intervals.log, intervals.checkpoint, intervals.evaluation)
        self._controller = make_controller(
            trainer,
            loop_length=steps_per_loop(step(), self._stop, trainer.clock, *ends),
            actions=[
                stop_when_diverged(trainer.skips, examples_of, trainer.task.total),
                every(intervals.log, stop, step, self._log),
                self.last_logs.update,
                self._show,
                save,
                self._stop_if_unhealthy,
                self._stop_if_told,
            ],
        )
        self._evaluations = Evaluations(
            trainer.held_out_metrics,
            interval=intervals.evaluation,
            step=step,
            actions=[
                save.record_evaluation,  # first, since a line in the log says that all is done
                *on_evaluation,
                lambda step, metrics: self._write("validation", self._counted(step, metrics)),
                lambda step, metrics: self._compare(step, self._counted(step, metrics)),
                lambda _, metrics: self._stop_if_unhealthy(metrics),
            ],
        )

    def _write(self, kind: Kind, values: Mapping[str, Any]) -> None:
        step = self._trainer.step()
        self._writer.write(kind, step, values)
        if self._health is not None:
            for change in self._health.monitor.see({"kind": kind, "step": step, **values}):
                self._tell(change)

    def _tell(self, change: Change, *, written: bool = False) -> None:
        if not written:
            self._writer.write("finding", change.step, change.values())
        self._listener.finding(change)

    def _counted(self, step: int, values: Metrics) -> Metrics:
        """Values of a step with what it has cost up to there."""
        return values if self._flops is None else {FLOPS: self._flops(step), **values}

    def _log(self, logs: Metrics) -> None:
        counted = self._counted(self._trainer.step(), logs)
        self._write("train", {**counted, **asdict(self.rates())})

    def _show(self, logs: Metrics) -> None:
        step = self._trainer.step()
        left = None if self._last is None else self._seconds_left(step, self._last)
        self._listener.progress(Progress(step, self._last, logs, self.rates(), left))

    def _seconds_left(self, step: int, last: int) -> float | None:
        """Of the rest, if its steps took as long for what is in them as the newest ones."""
        done = self._work(step)
        newest = done - self._work(step - 1)
        return self._trainer.clock.seconds_for((self._work(last) - done) / newest)

    def _stop_if_unhealthy(self, logs: Metrics) -> None:
        del logs
        if self._health is not None:
            step = self._trainer.step()
            self._health.check(step, lambda: self._saver.save(step))

    def _stop_if_told(self, logs: Metrics) -> None:
        if self._trainer.step() < self._stop:  # else the run is finished anyway
            self._signals.check()

    def _warn_for_all(self, text: str) -> None:
        if self._worker.is_chief:
            self._listener.warn(text)

    def _was_evaluated(self, step: int) -> bool:
        return by_chief(self._worker, "evaluated", lambda: self._writer.has_evaluation(step))

    def _compare(self, step: int, metrics: Metrics) -> None:
        self._listener.evaluated(step, metrics, self._shown)
        self._shown = (step, metrics)

    def rates(self) -> Rates:
        """The speed so far."""
        return self._rates(self._trainer.clock.seconds_per_step)

    def run(self) -> Metrics:
        """Trains to the last step, and returns the metrics of the evaluation there.

        Raises:
          RunStoppedError: A signal has come; the state is saved.
          TrainingError: The run has diverged, or is to stop on what was found; the state is saved.
          IOFailedError: A checkpoint could not be saved, twice or at the end.
        """
        step, stop, evaluations = self._trainer.step, self._stop, self._evaluations
        if self._from_step_0:  # saved already, unless the run is new, or a new branch
            self._saver.save(step())
        with self._both_ends_told():
            self._stop_if_unhealthy({})
            if step() > 0 or self._from_step_0:
                evaluations.catch_up(self._was_evaluated)
            while step() < stop:
                until = int(min(evaluations.next_step(), stop))
                self._controller.train(until, checkpoint_at_completion=False)
                evaluations.run()
            return evaluations.newest or evaluations.run()

    @contextmanager
    def _stopped_while_compiling(self) -> Iterator[None]:
        """Takes the end of the compiler for the signal's doing that has come: nothing has run."""
        try:
            yield
        except Exception as error:
            if failure_of(error) is COMPILER_ENDED and self._signals.received is not None:
                raise StopRequestedError from error
            raise

    @contextmanager
    def _both_ends_told(self) -> Iterator[None]:
        """Says that a process begins and what holds already, and when and why it ends."""
        step = self._trainer.step
        held = self._health.monitor.open if self._health is not None else []
        if self._process is not None:
            self._write("start", self._process)
        if self._health is not None:
            for finding in self._health.monitor.open:
                if finding in held:
                    change = Change("begins", step(), finding, finding.evidence)
                    self._tell(change, written=finding.name in self._health.written)
        reason = "finished"
        try:
            with self._stopped_while_compiling():
                yield
        except StopRequestedError:
            saved, signals = self._saver.save(step()), self._signals
            error = RunStoppedError(signals.received or 0, step(), saved, signals.origin)
            reason = error.message
            raise error from None
        except BaseException as error:
            reason = error.message if isinstance(error, ElectraError) else type(error).__name__
            if (failure := failure_of(error)) is not None:
                reason = failure.meaning
            raise
        finally:
            if self._process is not None:
                self._writer.write("end", self._trainer.reached(), {"reason": redacted(reason)})
