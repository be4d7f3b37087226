"""Tasks done by a cluster that a library of its own schedules; they write their files.

Nothing is shuffled and little comes back: a task that a cluster does twice, at once or one after
the other, writes the same bytes. Its workers need the inputs and the output folder under the same
paths as the command, and the same version of this package.
"""

from __future__ import annotations

import math
import os
import pickle
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from electra_cli.corpus.preparation.engines.errand import Answer, Errands, Ticket, written
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.errors import (
    ConfigError,
    ElectraError,
    TrainingError,
    TryAgainError,
)
from electra_cli.files.atomic import DISK_IS_FULL

SECONDS_TO_CONNECT = 10
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_WITHOUT_WORKERS = 20.0  # until that is told; some clusters start them when they are needed
# For tasks that are at work when no more is wanted of them.
_SECONDS_TO_END = 10.0
# Of code or of an installation: what is raised then, and none of it goes away by itself.
_MISTAKES = {
    "AttributeError", "ImportError", "IndexError", "KeyError", "ModuleNotFoundError", "NameError",
    "TypeError", "ValueError",
}  # fmt: skip


class Cluster(Protocol):
    """What is needed of a library that schedules; each of its kinds is as small as can be.

    Attributes:
      name: What messages call it.
    """

    name: str

    @property
    def at_once(self) -> int:
        """Tasks that are submitted together."""

    @property
    def most(self) -> int:
        """Tasks that are submitted and not done, at most."""

    def submit(self, errands: Errands, tickets: Sequence[Ticket]) -> None:
        """Has `errands.perform` called somewhere for each ticket, and does not wait."""

    def wait(self, seconds: float) -> Iterable[tuple[int, bytes | Exception]]:
        """What has come since, and waits for the first so long.

        Returns:
          Numbers of tasks, and what `perform` returned or why it was not called to its end.

        Raises:
          Exception: Of any kind, if nothing more will come.
        """

    def has_workers(self) -> bool:
        """Whether anybody can do tasks now; True where that is not known."""

    def cancel(self) -> None:
        """Forgets all that was submitted, and has what can be stopped stopped."""


@dataclass
class ClusterEngine:
    """Runs tasks on a cluster.

    Args:
      cluster: Does them.
      output: The prepared folder, which all workers see.
      on_warning: Hears, once, that the cluster has no workers.
    """

    cluster: Cluster
    output: Path
    on_warning: Callable[[str], None] = lambda text: None

    def run(
        self, tasks: Iterable[Task], on_progress: Callable[[int], None]
    ) -> Iterator[tuple[Task, Any]]:
        """See `Engine`.

        Raises:
          ConfigError: A worker has another version of this package, or does not see a folder.
          TryAgainError: The cluster failed for a reason that is not in the input.
          TrainingError: It failed by a mistake that another try would repeat.
          OSError: The disk is full.
        """
        all_tasks = list(tasks)
        if not all_tasks:
            return
        at_work: set[int] = set()
        try:
            with written(all_tasks, self.output) as errands:
                done = 0
                for number, answer in self._answers(errands, at_work):
                    task = all_tasks[number]
                    yield task, self._result(task, answer)
                    done += task.weight
                    on_progress(done)
        except GeneratorExit:  # an error of one task: the others are at its folder, too
            self._let_end(at_work)
            raise
        finally:
            if at_work:
                with suppress(Exception):  # of a cluster that is gone; why this ends matters more
                    self.cluster.cancel()

    def _answers(
        self, errands: Errands, at_work: set[int]
    ) -> Iterator[tuple[int, bytes | Exception]]:
        """Submits all tasks in order, and hands out what comes of them."""
        cluster, waiting = self.cluster, deque(errands.tickets)
        lonely_since: float | None = None
        try:
            while waiting or at_work:
                count = min(cluster.at_once, len(waiting))
                if count and len(at_work) + count <= max(cluster.most, count):
                    tickets = [waiting.popleft() for _ in range(count)]
                    at_work.update(number for number, *_ in tickets)
                    cluster.submit(errands, tickets)
                    continue
                for number, answer in (answers := list(cluster.wait(_SECONDS_BETWEEN_LOOKS))):
                    if number in at_work:
                        at_work.discard(number)
                        yield number, answer
                if answers or cluster.has_workers():
                    lonely_since = None
                    continue
                lonely_since = lonely_since or time.monotonic()
                if time.monotonic() - lonely_since >= _SECONDS_WITHOUT_WORKERS:
                    self.on_warning(f"{cluster.name} has no workers; waiting for one")
                    lonely_since = math.inf  # it is told once
        except ElectraError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _let_end(self, at_work: set[int]) -> None:
        """Waits for what is at work, which ends soon, since nobody wants it any more."""
        until = time.monotonic() + _SECONDS_TO_END
        with suppress(Exception):  # nothing more will come
            while at_work and time.monotonic() < until:
                found = self.cluster.wait(_SECONDS_BETWEEN_LOOKS)
                at_work.difference_update(number for number, _ in found)

    def _result(self, task: Task, answer: bytes | Exception) -> Any:
        """What a task's consumer receives."""
        if isinstance(answer, Exception):
            return self._failed(answer, task)
        found = pickle.loads(answer)
        if not isinstance(found, Answer):
            worker, reason, hint = found
            raise ConfigError(f"a worker of {self.cluster.name}, {worker}, {reason}", hint=hint)
        if found.unopened is not None and Path(found.unopened).exists():
            raise ConfigError(
                f"a worker of {self.cluster.name}, {found.worker}, does not see {found.unopened}",
                hint="mount it on all workers, under the path that it has here",
            )
        return found.value

    def _failed(self, failure: Exception, task: Task | None = None) -> Exception:
        """The error for what a library raised; some keep no more of it than its text."""
        text = str(failure).strip() or type(failure).__name__
        for number in DISK_IS_FULL:
            if f"[Errno {number}]" in text:
                return OSError(number, os.strerror(number), str(self.output))
        last = text.splitlines()[-1]
        names = {type(failure).__name__, last.partition(":")[0]}
        told = f"{last} ({task.name}, {task.file})" if task else last
        if names & _MISTAKES:
            return TrainingError(
                f"{self.cluster.name} failed, and would again: {told}",
                hint="its workers need the same Python and packages as this command; --debug "
                "shows all",
            )
        return TryAgainError(
            f"{self.cluster.name} failed: {told}",
            hint="run the same command again, finished slices are kept; --debug shows all",
        )


def told(engine_args: Iterable[str]) -> list[tuple[str, str]]:
    """The keys and values of `--engine-arg`.

    Raises:
      ConfigError: One is no KEY=VALUE.
    """
    for arg in engine_args:
        if not arg.partition("=")[0] or "=" not in arg:
            raise ConfigError(
                f"--engine-arg {arg} is not KEY=VALUE", hint=f"write --engine-arg {arg or 'KEY'}=…"
            )
    return [(key, value) for key, _, value in (arg.partition("=") for arg in engine_args)]


def not_installed(engine: str, library: str) -> ConfigError:
    """The error for a library that is missing."""
    return ConfigError(
        f"--engine {engine} needs {library}, which is not installed",
        hint=f"pip install '.[{engine}]'",
    )


def check_in_reach(addresses: Iterable[tuple[str, int]]) -> None:
    """Makes sure that something listens at one of some addresses; libraries wait for it for long.

    Raises:
      OSError: Of the last one, if none does.
    """
    for address in addresses:
        try:
            with socket.create_connection(address, SECONDS_TO_CONNECT):
                return
        except OSError as error:
            last = error
    raise last
