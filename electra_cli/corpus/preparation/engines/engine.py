"""Who runs the tasks of a preparation: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from electra_cli.corpus.preparation.engines.cluster import Cluster, ClusterEngine
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.workers import Task, Workers


class Engine(Protocol):
    """Runs tasks, in any order and each at least once."""

    def run(
        self, tasks: Iterable[Task], on_progress: Callable[[int], None]
    ) -> Iterator[tuple[Task, Any]]:
        """Runs tasks that do not depend on each other.

        Args:
          tasks: What each does can be pickled.
          on_progress: Receives the bytes on disk done since the call.

        Yields:
          A task, and its result or the exception that ended it. Closing it cancels the rest.

        Raises:
          ElectraError: Of the engine itself.
          OSError: The disk is full.
        """


@contextmanager
def engine_of(
    schedule: Schedule, output: Path, on_warning: Callable[[str], None] = lambda text: None
) -> Iterator[Engine]:
    """Connects to the engine that a schedule asks for; enter it before anything is read.

    Args:
      schedule: Says which, and what it is told.
      output: The prepared folder, which need not be there yet.
      on_warning: Receives what went wrong and is being tried again.

    Raises:
      ConfigError: It is not installed, or does not know what it is told.
      TryAgainError: Its scheduler is out of reach.
    """
    if schedule.engine == "local":
        with Workers(schedule.processes, on_warning) as workers:
            yield workers
        return
    module = import_module(f"electra_cli.corpus.preparation.engines.{schedule.engine}")
    connect: Callable[..., AbstractContextManager[Cluster]] = module.connected
    with connect(schedule.engine_args, on_warning) as cluster:
        yield ClusterEngine(cluster, output, on_warning)
