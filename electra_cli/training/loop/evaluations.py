"""When a run is evaluated, and what is done with what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from electra_cli.runs.held_out import HeldOut, Sentence, write_held_out
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


class SentenceWriter:
    """An action that writes RUN/held-out.json.

    What cannot be written is lost, and the run goes on.

    Args:
      sentences: Returns those of the newest evaluation.
      path: The file.
      warn: Hears the first failure; None to write nothing at all.
    """

    def __init__(
        self,
        sentences: Callable[[], Sequence[Sentence]],
        path: Path,
        warn: Callable[[str], None] | None,
    ) -> None:
        self._sentences, self._path, self._warn = sentences, path, warn

    def __call__(self, step: int, metrics: Metrics) -> None:
        """Writes them as the networks of this step see them."""
        if self._warn is None:
            return
        try:
            write_held_out(self._path, HeldOut(step, self._sentences()))
        except OSError as error:
            self._warn(f"cannot write {self._path}: {error.strerror}; training goes on without it")
            self._warn = None
