"""Orbit actions: what is called after every loop with its logs, or now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from electra_cli.errors import IOFailedError, TrainingError
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.loop.listener import Metrics
from electra_cli.training.loop.skips import MOST_SKIPPED, WINDOW, Skips

Action = Callable[[Metrics], None]

_EXAMPLES_SHOWN = 8


def every(interval: int, last_step: int | None, step: Callable[[], int], action: Action) -> Action:
    """Calls an action at the multiples of an interval and at the last step."""

    def wrapped(logs: Metrics) -> None:
        if step() % interval == 0 or step() == last_step:
            action(logs)

    return wrapped


def stop_when_diverged(
    skips: Skips, examples_of: Callable[[int], Sequence[int]], loss: str
) -> Action:
    """Ends a run that skips too many steps because they are not finite.

    Args:
      skips: Knows whether it is so.
      examples_of: The examples of a step.
      loss: Name of the loss that the error tells.
    """

    def action(logs: Metrics) -> None:
        found = skips.divergence
        if found is None:
            return
        shown = ", ".join(map(str, examples_of(int(found["step"]))[:_EXAMPLES_SHOWN]))
        raise TrainingError(
            f"loss or gradient was not finite in more than {MOST_SKIPPED} of the last {WINDOW:,} "
            f"steps, at last in step {found['step']} with the examples {shown} … (learning rate "
            f"{found['learning_rate']:.3g}, {loss} {found[loss]:.3g}, gradient norm "
            f"{found['gradient_norm']:.3g}); in a row: {logs['skipped_in_a_row']}",
            hint="start a new run with a lower --learning-rate, or --precision float32; "
            "the weights of the last checkpoint are finite",
        )

    return action


class SaveAction:
    """Saves at the multiples of an interval, at the last step, and what was evaluated.

    A save that fails is tried again after every loop, and ends the run if it has not succeeded by
    the time the next one is due: a full disk costs at most one interval, and gives people that time
    to make room.
    """

    def __init__(
        self,
        saver: CheckpointSaver,
        *,
        interval: int,
        last_step: int | None,
        step: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        self._saver, self._interval, self._last = saver, interval, last_step
        self._step, self._warn = step, warn
        self._failed = False

    def __call__(self, logs: Any = None) -> None:
        """Saves if it is time to.

        Raises:
          IOFailedError: The second save in a row that was due has failed, or the last one.
          TrainingError: A value is not finite.
        """
        del logs
        step = self._step()
        due = step % self._interval == 0 or step == self._last
        if due or self._failed:
            self._attempt(lambda: self._saver.save(step), step, due=due)

    def record_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Saves with held-out metrics, if the best checkpoint is to stay.

        Those of a save that fails are never the best.

        Raises:
          IOFailedError: It has failed at the last step.
          TrainingError: A value is not finite.
        """
        if self._saver.keep.best_by is None:
            return
        self._attempt(lambda: self._saver.record_evaluation(step, metrics), step, due=False)

    def _attempt(self, save: Callable[[], object], step: int, *, due: bool) -> None:
        try:
            save()
        except IOFailedError as error:
            if step == self._last or (due and self._failed):
                raise
            if not self._failed:
                self._warn(f"{error.message}; trying again after every loop")
            self._failed = True
        else:
            self._failed = False
