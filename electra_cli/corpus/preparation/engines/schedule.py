"""Who prepares which slices; none of it changes a byte of the result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from electra_cli.errors import ConfigError

Stage = Literal["all", "plan", "task", "finalize"]
Engine = Literal["local", "dask", "beam", "spark"]


@dataclass(frozen=True)
class Schedule:
    """How the work is divided.

    Attributes:
      workers: Processes of the local engine; None: one a core.
      stage: `all` at once; or only the `plan` with vocabulary and duplicates; one `task` of
        several; or `finalize`, which checks that all tasks are done and writes the manifest.
      task_index: Which task, from 0.
      num_tasks: How many there are; task I prepares the slices whose number leaves I when divided
        by this. With `finalize` it only serves to name tasks.
      engine: Who runs slices.
      beam_args: Options of a Beam pipeline, such as `--runner=FlinkRunner`.
      engine_args: What an engine is told, each `KEY=VALUE`, such as `scheduler=tcp://host:8786`;
        a key may come more than once.

    Raises:
      ConfigError: They contradict each other.
    """

    workers: int | None = None
    stage: Stage = "all"
    task_index: int = 0
    num_tasks: int = 1
    engine: Engine = "local"
    beam_args: tuple[str, ...] = ()
    engine_args: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers is {self.workers}; it must be at least 1")
        if not 0 <= self.task_index < self.num_tasks:
            raise ConfigError(
                f"--task-index is {self.task_index} of --num-tasks {self.num_tasks}; it must be 0 "
                f"to {max(self.num_tasks - 1, 0)}",
                hint="tasks are counted from 0; --num-tasks is how many there are",
            )
        if self.beam_args and self.engine != "beam":
            raise ConfigError("--beam-arg needs --engine beam", hint="add --engine beam")
        if self.engine == "beam" and self.stage in ("plan", "task"):
            raise ConfigError(
                f"--engine beam divides the work itself and excludes a separate {self.stage}",
                hint="use either --engine beam or --task-index and --num-tasks",
            )

    @property
    def processes(self) -> int:
        """Processes of the local engine."""
        return self.workers or cores()

    def has(self, slice_index: int) -> bool:
        """Whether a slice is this schedule's to prepare."""
        return self.stage != "task" or slice_index % self.num_tasks == self.task_index


def cores() -> int:
    """Cores that this process may use, which on shared machines are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
