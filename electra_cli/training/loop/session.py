"""A trainer on its way to its last step: what is logged, shown, saved and evaluated meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from electra_cli.training.loop.actions import SaveAction, every, stop_when_diverged
from electra_cli.training.loop.controller import make_controller, steps_per_loop
from electra_cli.training.loop.evaluations import Evaluations
from electra_cli.training.loop.listener import Listener, Metrics, Progress
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.saving import CheckpointSaver
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
      stop: The last step.
      saver: Saves checkpoints.
      writer: Writes metrics.
      listener: Hears what happens.
      signals: Tell whether to stop.
      rates: The speed by the seconds a step takes.
      examples_of: The examples of a step, for an error about it.

    Attributes:
      last_logs: Of the last training step; empty if there was none.
    """

    def __init__(
        self,
        trainer: ElectraTrainer,
        intervals: Intervals,
        *,
        stop: int,
        saver: CheckpointSaver,
        writer: MetricWriter,
        listener: Listener,
        signals: StopSignals,
        rates: Callable[[float], Rates],
        examples_of: Callable[[int], Sequence[int]],
    ) -> None:
        self._trainer, self._stop, self._rates = trainer, stop, rates
        self._from_step_0 = intervals.from_step_0
        self._saver, self._writer = saver, writer
        self._listener, self._signals = listener, signals
        self._shown: tuple[int, Metrics] | None = None
        self.last_logs: dict[str, float] = {}
        step = trainer.step
        save = SaveAction(
            saver, interval=intervals.checkpoint, last_step=stop, step=step, warn=listener.warn
        )
        ends = (intervals.log, intervals.checkpoint, intervals.evaluation)
        self._controller = make_controller(
            trainer,
            loop_length=steps_per_loop(step(), stop, trainer.clock, *ends),
            actions=[
                stop_when_diverged(trainer.skips, examples_of, trainer.task.total),
                every(intervals.log, stop, step, self._log),
                self.last_logs.update,
                self._show,
                save,
                self._stop_if_told,
            ],
        )
        self._evaluations = Evaluations(
            trainer.held_out_metrics,
            interval=intervals.evaluation,
            step=step,
            actions=[
                save.record_evaluation,  # first, since a line in the log says that all is done
                lambda number, metrics: writer.write("validation", number, metrics),
                self._compare,
            ],
        )

    def _log(self, logs: Metrics) -> None:
        self._writer.write("train", self._trainer.step(), {**logs, **asdict(self.rates())})

    def _show(self, logs: Metrics) -> None:
        step = self._trainer.step()
        left = self._trainer.clock.seconds_for(self._stop - step)
        self._listener.progress(Progress(step, self._stop, logs, self.rates(), left))

    def _stop_if_told(self, logs: Metrics) -> None:
        if self._trainer.step() < self._stop:  # else the run is finished anyway
            self._signals.check()

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
          TrainingError: The run has diverged.
          IOFailedError: A checkpoint could not be saved, twice or at the end.
        """
        step, stop, evaluations = self._trainer.step, self._stop, self._evaluations
        try:
            with closing(self._writer):
                if step() == 0 and self._from_step_0:
                    self._saver.save(0)
                if step() > 0 or self._from_step_0:
                    evaluations.catch_up(self._writer.has_evaluation)
                while step() < stop:
                    until = min(evaluations.next_step(), stop)
                    self._controller.train(until, checkpoint_at_completion=False)
                    evaluations.run()
                return evaluations.newest or evaluations.run()
        except StopRequestedError:
            saved = self._saver.save(step())
            raise RunStoppedError(self._signals.received or 0, step(), saved) from None
