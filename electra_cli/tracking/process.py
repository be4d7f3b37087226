"""A tracker in a process of its own: what it does, and whether it does anything, costs no step.

Orders wait in a queue, and a thread hands one after the other to the process
(`tracking.__main__`). What the library prints, how long it waits for a network, what it does at
exit and how it dies stay there.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from electra_cli.tracking.tracker import Outcome, TrackedRun

_MOST_WAITING = 10_000  # orders
_SILENCE = 60.0  # seconds, after which it is told that a tracker does not answer
_SOON = 2.0  # seconds for which nobody wonders at the end of a run
_TICK = 0.1  # seconds
# What the libraries would send home, for themselves.
_DISCREET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


class TrackerProcess:
    """A `Tracker` of which no method raises or waits.

    Args:
      name: What the tracker is called.
      tracker_class: Its class, module:Class.
      silence: Seconds without an answer, after which that is told.

    Attributes:
      said: What it said on starting, and what went wrong: whether it is wrong, and the text.
    """

    def __init__(self, name: str, tracker_class: str, *, silence: float = _SILENCE) -> None:
        self._name, self._class, self._silence = name, tracker_class, silence
        self._orders: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._told: set[str] = set()
        self._is_over = False  # nobody takes orders any more
        self._is_silent = False  # told, and no answer since
        self._is_ending = self._is_killed = False
        self.said: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()

    def start(self, run: TrackedRun) -> str:
        """Starts the process; what `Tracker.start` returns is said later."""
        self._order("start", run=run.as_json())
        self._thread.start()
        return ""

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to every curve."""
        self._order("metrics", kind=kind, step=step, values=dict(values))

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Keeps the text of a finding."""
        self._order("finding", step=step, name=name, text=text, begins=begins)

    def report(self, path: Path, step: int) -> None:
        """Keeps the report."""
        self._order("report", path=str(path), step=step)

    def end(self, outcome: Outcome) -> None:
        """Closes the tracker's run; `wait` waits for that."""
        self._is_ending = True
        self._order("end", outcome=outcome)

    def wait(self, deadline: float, note: Callable[[str], object] = lambda text: None) -> None:
        """Waits until the process has ended, and ends it.

        Args:
          deadline: By `time.monotonic()`; what is not done by then is lost.
          note: Hears what is waited for, if that takes a while.
        """
        left = max(0.0, deadline - time.monotonic())
        self._thread.join(min(left, _SOON))
        if self._thread.is_alive() and left > _SOON:
            note(f"waiting for {self._name}, up to {left:.0f} s")
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._is_killed = self._thread.is_alive()
        if self._is_killed and not self._is_silent:
            self._tell("late", "it takes too long at the end of the run")
        while self._thread.is_alive():
            if self._process is not None:
                self._process.kill()
            self._thread.join(_TICK)

    def _order(self, order: str, **arguments: Any) -> None:
        if self._is_over:
            return
        try:
            self._orders.put_nowait(json.dumps([order, arguments]))
        except queue.Full:
            self._tell("full", f"{_MOST_WAITING:,} messages wait for it; more are lost")

    def _serve(self) -> None:
        environment = {**_DISCREET, **os.environ}
        # As this process finds its modules; never in the working directory for its own sake.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "electra_cli.tracking", self._class],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            self._is_over = True
            self._tell("start", f"its process cannot be started: {error.strerror}")
            return
        # What was not written yet to a process that has ended is lost.
        with suppress(BrokenPipeError), self._process as process:
            try:
                while self._is_served(process, self._orders.get()):
                    pass
            except (OSError, ValueError):
                code = process.wait()
                if not self._is_killed:
                    self._tell("death", f"its process has ended with exit code {code}")
            self._is_over = True

    def _is_served(self, process: subprocess.Popen[str], line: str) -> bool:
        """Hands over an order and waits for the answer; whether there is more to do.

        Raises:
          OSError, ValueError: The process has ended.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        while not wait([process.stdout.fileno()], self._silence):
            if not self._is_ending:  # `wait` tells of it
                self._is_silent = True
                self._tell("silence", f"it has not answered for {self._silence:g} seconds")
        self._is_silent = False
        said, error = json.loads(process.stdout.readline())
        order = json.loads(line)[0]
        if said:
            self.said.put((False, said))
        if error:
            self._tell("error", error)
        return order != "end" and not (order == "start" and error)

    def _tell(self, kind: str, text: str) -> None:
        """Says something that is wrong, once of each kind."""
        if kind not in self._told:
            self._told.add(kind)
            self.said.put((True, f"{self._name}: {text}; metrics.jsonl has what it lacks"))
