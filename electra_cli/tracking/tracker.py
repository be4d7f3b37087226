"""What a tracker is, and what of a run it is told.

A tracker keeps the curves of many runs in one place. Each is a class of a file of its own; those
whose libraries may print, wait for a network or die run in a process of their own
(`tracking.process`), TensorBoard's in that of the run.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from electra_cli.files.atomic import atomic_write_text

_FORMAT_VERSION = 1

Outcome = Literal["finished", "stopped", "failed", "killed"]


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run; nothing of it is secret.

    Attributes:
      name: What people know it by.
      folder: What the tracker may keep in the run folder lies here: RUN/tracking.
      config: The configuration: sections, and keys below them; also `start`, what the process that
        trains says of itself.
    """

    name: str
    folder: Path
    config: Mapping[str, Mapping[str, Any]]

    def as_json(self) -> list[Any]:
        """For another process."""
        return [self.name, str(self.folder), self.config]

    @classmethod
    def of_json(cls, record: list[Any]) -> TrackedRun:
        """Reads what `as_json` gives."""
        name, folder, config = record
        return cls(name, Path(folder), config)

    def flat(self) -> Iterator[tuple[str, Any]]:
        """Each key in full, as in train.steps, and its value."""
        for section, values in self.config.items():
            yield from ((f"{section}.{key}", value) for key, value in values.items())

    def record(self, tracker: str) -> Path:
        """Where `remembered` keeps its part."""
        return self.folder / f"{tracker}.json"


class Tracker(Protocol):
    """A tracker, once `start` was called. Whatever it raises, the run goes on."""

    def start(self, run: TrackedRun) -> str:
        """Begins to track a run, or goes on in the same run of the tracker.

        Returns:
          A sentence that says where the run can be seen, or '' if there is nothing to say.
        """

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to every curve.

        Args:
          kind: What the curves belong to: train, validation or finding.
          step: Updates done. A run that was killed does again what it had not saved.
          values: By the name of the curve; all are finite.
        """

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Keeps the text of a finding that begins or ends; its curve is 1 while it holds."""

    def report(self, path: Path, step: int) -> None:
        """Keeps the report of the run, an HTML file."""

    def end(self, outcome: Outcome) -> None:
        """Brings everything to where it belongs, and closes the tracker's run."""


def remembered(path: Path) -> dict[str, str]:
    """Reads which run of a tracker goes on; nothing if that is not known.

    Args:
      path: `TrackedRun.record`.
    """
    with suppress(OSError, ValueError, TypeError, RecursionError):
        record = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in record.items() if isinstance(value, str)}
    return {}


def remember(path: Path, **values: str) -> None:
    """Writes what the next start of the run has to know.

    Raises:
      OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"format_version": _FORMAT_VERSION, **values}
    atomic_write_text(path, json.dumps(record, indent=1) + "\n")


def new_identity() -> str:
    """A name that no other run has."""
    return uuid.uuid4().hex[:8]
