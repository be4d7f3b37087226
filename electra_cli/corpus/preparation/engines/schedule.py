"""Who does which part of a preparation; none of it changes a byte of the result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

from electra_cli.errors import ConfigError

Stage = Literal["all", "scan", "vocabulary", "prepare", "finalize"]
Engine = Literal["local", "dask", "beam", "spark"]

# How another engine is told how many processes work.
_OWN_WORKERS = {
    "dask": "start so many with dask worker --nthreads 1 --nworkers {}",
    "beam": "Beam's own runner takes --engine-arg direct_running_mode=multi_processing "
    "--engine-arg direct_num_workers={}",
    "spark": "Spark takes --engine-arg spark.executor.instances={0}, and of a standalone cluster "
    "--engine-arg spark.cores.max={0}",
}

STAGES: tuple[Stage, ...] = get_args(Stage)[1:]
"""All stages in order; `all` is every one of them at once."""


def stages_of(*, duplicates: bool, trains: bool) -> list[Stage]:
    """The stages in which there is something to do, in order.

    Args:
      duplicates: Whether duplicates are looked for.
      trains: Whether a vocabulary is trained.
    """
    needed = {"scan": duplicates, "vocabulary": trains}
    return [stage for stage in STAGES if needed.get(stage, True)]


@dataclass(frozen=True)
class Schedule:
    """How the work is divided.

    Attributes:
      workers: Processes of the local engine; None: one a core.
      stage: `all` at once; or one stage, which first does what the one before has left to be done
        together: `scan` hashes slices for duplicates; `vocabulary` finds the duplicates and counts
        the words of slices; `prepare` trains the vocabulary and prepares slices; `finalize` writes
        the manifest.
      task_index: Which task of a stage, from 0.
      num_tasks: How many there are; task I does the slices whose number leaves I when divided by
        this. With `finalize`, which is not divided, it only serves to name tasks.
      engine: Who runs slices.
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
        if self.engine_args and self.engine == "local":
            raise ConfigError(
                f"--engine-arg {self.engine_args[0]} needs an engine",
                hint="add --engine dask, beam or spark",
            )
        if self.engine != "local" and self.workers is not None:
            raise ConfigError(
                f"--workers {self.workers} is of --engine local; with --engine {self.engine} the "
                "cluster decides how many there are",
                hint=f"leave --workers out; {_OWN_WORKERS[self.engine].format(self.workers)}",
            )
        if self.engine != "local" and self.num_tasks > 1:
            raise ConfigError(
                f"--engine {self.engine} divides the work itself, and a stage in tasks is divided "
                "already",
                hint=f"use either --engine {self.engine} or --task-index and --num-tasks",
            )

    @property
    def processes(self) -> int:
        """Processes of the local engine."""
        return self.workers or cores()

    @property
    def is_shared(self) -> bool:
        """Whether others may be writing to the folder under the same plan."""
        return self.stage not in ("all", "finalize")

    def does(self, stage: Stage) -> bool:
        """Whether a stage is this schedule's, or part of it."""
        return self.stage in ("all", stage)

    def has(self, slice_index: int) -> bool:
        """Whether a slice is this schedule's."""
        return not self.is_shared or slice_index % self.num_tasks == self.task_index


def check_tasks(stage: str | None, task_index: int | None, num_tasks: int | None) -> None:
    """Refuses options of tasks that do not go together.

    Args:
      stage: Of `--stage`; None for all.
      task_index: Of `--task-index`; None if it was not given.
      num_tasks: Of `--num-tasks`; likewise.

    Raises:
      ConfigError: It says what to add or to leave out.
    """
    if stage is None and (task_index, num_tasks) != (None, None):
        raise ConfigError(
            "--task-index and --num-tasks are for one stage at a time",
            hint=f"add --stage prepare; the stages are {', '.join(STAGES)}, in this order",
        )
    if stage == "finalize" and task_index is not None:
        raise ConfigError(
            "--stage finalize is one command for all tasks", hint="leave --task-index out"
        )
    if stage != "finalize" and (task_index is None) != (num_tasks is None):
        raise ConfigError("--task-index and --num-tasks belong together", hint="give both")


def cores() -> int:
    """Cores that this process may use, which on shared machines are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
