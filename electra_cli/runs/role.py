"""The part that a process plays in a run: alone, or one of several workers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Self

from electra_cli.files.layout import worker_folder
from electra_cli.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Role:
    """A process of a run.

    Attributes:
      is_alone: Whether there are no others.
      is_chief: Whether it writes what is written once.
      index: Its number among the workers.
    """

    is_alone: bool = True
    is_chief: bool = True
    index: int = 0

    @classmethod
    def of_task(cls, kind: str | None, index: int | None) -> Self:
        """The role of a task of a cluster, by its kind (chief, worker, …) and its number."""
        return cls(is_alone=False, is_chief=kind == "chief" or not index, index=index or 0)

    @classmethod
    def of_environment(cls) -> Self:
        """The role that TF_CONFIG gives; alone if it gives none."""
        try:
            task = json.loads(os.environ.get("TF_CONFIG", ""))["task"]
            return cls.of_task(task["type"], task["index"])
        except (ValueError, KeyError, TypeError):
            return cls()

    def folder(self, run: RunFolder) -> RunFolder:
        """Where it writes: the run folder, or a part of it."""
        return run if self.is_chief else RunFolder(worker_folder(run.path, self.index))
