"""When a run is evaluated, and what is done with what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from electra_cli.training.loop.listener import Metrics

EvaluationAction = Callable[[int, Metrics], None]


class Evaluations:
    """Evaluates a run at the multiples of an interval and at its end.

    Args:
      evaluate: Returns the metrics of the held-out data.
      interval: Steps from one evaluation to the next.
      step: The number of updates done.
      actions: What is called after each with its step and its metrics.
    """

    def __init__(
        self,
        evaluate: Callable[[], Metrics],
        *,
        interval: int,
        step: Callable[[], int],
        actions: Sequence[EvaluationAction],
    ) -> None:
        self._evaluate, self._interval, self._step = evaluate, interval, step
        self._actions = actions
        self.newest: Metrics | None = None

    def run(self) -> Metrics:
        """Evaluates now."""
        metrics = self._evaluate()
        for action in self._actions:
            action(self._step(), metrics)
        self.newest = metrics
        return metrics

    def catch_up(self, has_evaluation: Callable[[int], bool]) -> None:
        """Evaluates if a run was stopped between a step and the evaluation that belongs to it."""
        if self._step() % self._interval == 0 and not has_evaluation(self._step()):
            self.run()

    def next_step(self) -> int:
        """The step of the next evaluation."""
        return self._step() + self._interval - self._step() % self._interval
