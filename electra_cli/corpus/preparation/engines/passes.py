"""Passes over a corpus, each made of steps, and one bar over them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from electra_cli.corpus.preparation.engines.engine import Engine
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.corpus.preparation.plan import Report, Slice
from electra_cli.corpus.step import Step, names_in

# Receives the fraction of the whole that is done, and what is being done.
OnProgress = Callable[[float, str], None]


class Passes:
    """Runs passes one after the other.

    Args:
      engine: Does the steps.
      schedule: Which of them are this call's.
      shares: How long passes take, in any unit, by their names and in their order; the bar stands
        still in those that are not named.
      on_progress: Receives how much of all of them is done.
    """

    def __init__(
        self,
        engine: Engine,
        schedule: Schedule,
        shares: Mapping[str, float],
        on_progress: OnProgress,
    ) -> None:
        self._engine = engine
        self._schedule = schedule
        self._shares = shares
        self._on_progress = on_progress
        self._told = 0.0

    def tell(self, name: str, fraction: float = 0.0, words: str = "") -> None:
        """Says how much of a pass is done, and of all passes never less than before.

        Args:
          name: Of the pass.
          fraction: Of it.
          words: What is being done, if that is more than the name.
        """
        if name in self._shares:
            names = list(self._shares)
            before = sum(self._shares[other] for other in names[: names.index(name)])
            done = before + self._shares[name] * min(fraction, 1.0)
            self._told = max(self._told, done / sum(self._shares.values()))
        self._on_progress(self._told, words or name)

    def of_slices(
        self, name: str, slices: Sequence[Slice], step_of: Callable[[Slice], Step]
    ) -> int:
        """Does the schedule's part of a pass of which every step reads a slice.

        Args:
          name: Of the pass.
          slices: Of the plan.
          step_of: Makes a slice's step, whose work takes a `Report` by the name `report`.

        Returns:
          How many slices were not done before.

        Raises:
          ElectraError: Of the first step that failed, or of a worker that died.
          OSError: A result cannot be written.
        """
        mine = [slice_ for slice_ in slices if self._schedule.has(slice_.index)]
        # What is there was perhaps damaged, or left by another version.
        left = [(s, step) for s, step in ((s, step_of(s)) for s in mine) if not step.is_done]
        total = sum(slice_.disk_bytes for slice_ in mine)
        done = total - sum(slice_.disk_bytes for slice_, _ in left)
        self._run(
            [
                Task(step.name, slice_.label, partial(_read, step), slice_.disk_bytes)
                for slice_, step in left
            ],
            lambda more: self.tell(name, (done + more) / total),
        )
        return len(left)

    def together(self, name: str, passes: Iterable[Sequence[Step]]) -> None:
        """Does passes along with all other tasks, without waiting for any of them.

        A task begins each list at its own place and goes around, past what is done by then. What
        another is doing just now is done twice, which does no harm.

        Args:
          name: Of all of them.
          passes: Lists of steps; each is asked for when all before it are done.

        Raises:
          ElectraError: See `of_slices`.
          OSError: See `of_slices`.
        """
        words = name

        def tell(more: int = 0) -> None:
            del more  # nobody knows how many steps follow
            self.tell(name, words=words)

        for steps in passes:
            place = len(steps) * self._schedule.task_index // self._schedule.num_tasks
            around = [*steps[place:], *steps[:place]]
            tasks = [Task(s.name, "", partial(_do, s)) for s in around if not s.is_done]
            for task in self._results(tasks, tell):
                words = f"{name}: {task.name}"
                tell()

    def _run(self, tasks: Sequence[Task], on_progress: Callable[[int], None]) -> None:
        for _ in self._results(tasks, on_progress):
            pass

    def _results(self, tasks: Sequence[Task], on_progress: Callable[[int], None]) -> Iterable[Task]:
        """The tasks as they end; the first error of one is raised."""
        for task, result in self._engine.run(tasks, on_progress):
            if isinstance(result, Exception):
                raise result
            yield task


def undone(slices: Iterable[Slice], step_of: Callable[[Slice], Step]) -> list[tuple[Slice, Step]]:
    """The slices whose results are not there, whole or not.

    Each folder is listed once, however many slices there are.
    """
    names: dict[Path, set[str]] = {}
    found = []
    for slice_ in slices:
        step = step_of(slice_)
        folder = step.result.parent
        if folder not in names:
            names[folder] = names_in(folder)
        if step.result.name not in names[folder]:
            found.append((slice_, step))
    return found


def _read(step: Step, report: Report) -> None:
    if not step.is_done:
        step.work(report=report)


def _do(step: Step, report: Report) -> None:
    del report
    if not step.is_done:  # by another task, since this one was asked for
        step.work()
