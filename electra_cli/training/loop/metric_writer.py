"""Metrics on their way: to metrics.jsonl in the run folder, and to the trackers."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import tensorflow as tf

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.schema import Config, sections
from electra_cli.errors import StoppedError
from electra_cli.files.redaction import redacted
from electra_cli.runs.metrics_file import Kind, append_line, read_lines
from electra_cli.runs.run_folder import RunFolder
from electra_cli.tracking.choice import TENSORBOARD, processes_of
from electra_cli.tracking.tensorboard import TensorBoard
from electra_cli.tracking.tracker import Outcome, TrackedRun, Tracker

# Seconds for what trackers have not taken yet: of a finished run, and of one that has to end.
_PATIENCE, _HASTE = 60.0, 10.0


class MetricWriter:
    """Writes metrics and findings to RUN/metrics.jsonl, and hands them to trackers.

    What cannot be written is lost, and the run goes on. As a context manager it closes the
    trackers' runs, and tells them whether an error has ended the block.

    Args:
      run: The run folder.
      config: The configuration, whose `runtime.track` names the trackers.
      name: What trackers call the run.
      warn: Hears the first failure of each kind; None to write nothing at all.
      note: Hears where a tracker shows the run, and what is waited for at its end.
    """

    def __init__(
        self,
        run: RunFolder,
        config: Config | FinetuneConfig,
        *,
        name: str,
        warn: Callable[[str], None] | None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._jsonl, self._events = run.metrics, run.tensorboard
        self._warn, self._note = warn, note
        self._failed: set[Path] = set()
        names = config.runtime.trackers
        self._processes = processes_of(names)
        self._trackers: list[Tracker] = [*self._processes]
        if TENSORBOARD in names:
            self._trackers.append(TensorBoard(run.tensorboard))
        record = config.model_dump()
        settings = {section: record[section] for section in sections(type(config))}
        about = {"preset": config.preset, "folder": str(run.path.resolve())}
        self._run = TrackedRun(name, run.tracking.absolute(), {**settings, "run": about})
        self._begun, self._step = False, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close(error)

    def write(self, kind: Kind, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line, and one point of every curve."""
        if self._warn is None:
            return
        with self._failures_are_told(self._jsonl):
            append_line(self._jsonl, kind, step, values)
        self._step = step
        if not self._begun:
            self._begun = True
            self._begin(values if kind == "start" else {})
        if kind in ("train", "validation"):
            curves = {name: v for name, v in values.items() if _is_point(v)}
            self._each(lambda tracker: tracker.metrics(kind, step, curves))
        elif kind == "finding":
            self._finding(step, values)
        self._hear()

    def report(self, path: Path) -> None:
        """Hands the report of the run, which is there, to the trackers."""
        if self._begun:
            self._each(lambda tracker: tracker.report(path.absolute(), self._step))

    def has_evaluation(self, step: int) -> bool:
        """Whether a line with the evaluation of a step is there."""
        try:
            lines = list(read_lines(self._jsonl))
        except OSError:
            return False
        return any(line["kind"] == "validation" and line["step"] == step for line in lines)

    def close(self, error: BaseException | None = None) -> None:
        """Closes the trackers' runs, and waits for them for a while.

        Args:
          error: What ended the run before its end.
        """
        if not self._begun:
            return
        outcome: Outcome = "finished"
        if error is not None:
            is_failure = isinstance(error, Exception) and not isinstance(error, StoppedError)
            outcome = "failed" if is_failure else "stopped"
        self._each(lambda tracker: tracker.end(outcome))
        self._hear()
        deadline = time.monotonic() + (_PATIENCE if outcome == "finished" else _HASTE)
        for process in self._processes:
            process.wait(deadline, self._note)
        self._hear()

    def _begin(self, facts: Mapping[str, Any]) -> None:
        """Starts the trackers; `facts` are what the process says of itself."""
        config = {**self._run.config, "run": {**self._run.config["run"], **facts}}
        run = replace(self._run, config=redacted(config))
        self._each(lambda tracker: tracker.start(run))

    def _finding(self, step: int, values: Mapping[str, Any]) -> None:
        """Hands over that something begins or ends to be wrong: a curve, and a text."""
        name, begins = values["name"], values["state"] == "begins"
        text = redacted(f"{values['title']}: {values['evidence']}")
        self._each(lambda tracker: tracker.metrics("finding", step, {name: float(begins)}))
        self._each(lambda tracker: tracker.finding(step, name, text, begins=begins))

    def _each(self, do: Callable[[Tracker], object]) -> None:
        for tracker in self._trackers:
            with self._failures_are_told(self._events):
                do(tracker)

    def _hear(self) -> None:
        """Passes on what the trackers' processes have said meanwhile."""
        for process in self._processes:
            while not process.said.empty():
                is_wrong, text = process.said.get()
                hears = self._warn if is_wrong else self._note
                if hears is not None:
                    hears(text)

    @contextlib.contextmanager
    def _failures_are_told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            if self._warn and path not in self._failed:
                self._failed.add(path)
                reason = error.strerror if isinstance(error, OSError) else str(error).split("\n")[0]
                self._warn(f"cannot write {path}: {reason}; training goes on without it")


def _is_point(value: Any) -> bool:
    """Whether it has a place in a curve: what is not finite leaves a gap."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
