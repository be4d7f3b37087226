"""Trackers that write down what they are told, and such as fail in every way."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra_cli.tracking.tracker import Outcome, TrackedRun


class Recording:
    """Appends each call to RUN/tracking/calls, and says so on stdout too."""

    def start(self, run: TrackedRun) -> str:
        run.folder.mkdir(parents=True, exist_ok=True)
        self._path = run.folder / "calls"
        self._call("start", run.name, run.config)
        return "seen elsewhere"

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        self._call("metrics", kind, step, values)

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        self._call("finding", step, name, text, begins)

    def report(self, path: Path, step: int) -> None:
        self._call("report", str(path), step)

    def end(self, outcome: Outcome) -> None:
        self._call("end", outcome)

    def _call(self, *call: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.write("noise\n")
        with self._path.open("a") as file:
            file.write(json.dumps(call) + "\n")


def calls(folder: Path) -> list[list[Any]]:
    """What `Recording` was told."""
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


class NeverStarts(Recording):
    def start(self, run: TrackedRun) -> str:
        raise ValueError("no such server\nand much more")


class Raises(Recording):
    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        raise ConnectionError(f"lost at step {step}, token=abcdefgh1234")


class Hangs(Recording):
    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        threading.Event().wait()

    def end(self, outcome: Outcome) -> None:
        threading.Event().wait()


class Dies(Recording):
    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Signalled(Recording):
    """Gets what a scheduler or a terminal sends to all processes of a run."""

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
        super().metrics(kind, step, values)
