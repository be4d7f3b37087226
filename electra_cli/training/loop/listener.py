"""What a run says about itself while it goes, and who hears it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from electra_cli.health.finding import Change
from electra_cli.interop.values import Report
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.training.plan.outlook import Outlook, Rates

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Progress:
    """The state of a running training.

    Attributes:
      step: Updates done.
      stop: Updates at the end; None for no end.
      logs: Losses, gradient norm and learning rate of that step.
      rates: The speed so far.
      seconds_left: Until the last step, without evaluations; None while only the first loop,
        which compiles, was timed, and for no end.
    """

    step: int
    stop: int | None
    logs: Metrics
    rates: Rates
    seconds_left: float | None


class Listener(Protocol):
    """Who wants to see a run; what it hears has happened already."""

    def outlook(self, outlook: Outlook) -> None:
        """The numbers before step 1."""

    def initialized(self, report: Report) -> None:
        """The first weights were loaded."""

    def resumed(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was restored."""

    def progress(self, progress: Progress) -> None:
        """A loop has ended."""

    def warn(self, text: str) -> None:
        """Something failed that does not end the run."""

    def note(self, text: str) -> None:
        """Something that is worth knowing, such as where a tracker shows the run."""

    def evaluated(self, step: int, metrics: Metrics, before: tuple[int, Metrics] | None) -> None:
        """An evaluation has ended; `before` is the previous one of this process."""

    def finding(self, change: Change) -> None:
        """Something was found wrong with the run, or is well again."""
