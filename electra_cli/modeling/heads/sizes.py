"""What decides the head of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from electra_cli.config.finetune import HeadStyle, Kind, TaskConfig


@dataclass(frozen=True)
class HeadSizes:
    """The head of a task.

    Attributes:
      kind: Of the task.
      style: Whose head it is.
      classes: Labels of a classification or tagging; 1 otherwise.
      joint: The reference's head for questions finds the end of an answer from its start.
      answerable: It also says whether there is an answer.
      answerable_from_start: And looks for that at where an answer may start.
      beam: Starts and ends that it keeps.
    """

    kind: Kind
    style: HeadStyle
    classes: int = 1
    joint: bool = True
    answerable: bool = True
    answerable_from_start: bool = True
    beam: int = 20

    @classmethod
    def of(cls, task: TaskConfig, labels: Sequence[str]) -> HeadSizes:
        """The head of a task with these labels."""
        has_classes = task.kind in ("classification", "tagging")
        return cls(task.kind, task.head, len(labels) if has_classes else 1, beam=task.n_best)
