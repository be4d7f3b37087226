"""Metrics on their way into a run folder: metrics.jsonl, and events for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import tensorflow as tf

from electra_cli.runs.metrics_file import Kind, append_line, read_lines
from electra_cli.runs.run_folder import RunFolder


class MetricWriter:
    """Writes metrics to RUN/metrics.jsonl and to TensorBoard.

    What cannot be written is lost, and the run goes on.

    Args:
      run: The run folder.
      warn: Hears the first failure of each kind; None to write nothing at all.
    """

    def __init__(self, run: RunFolder, warn: Callable[[str], None] | None) -> None:
        self._jsonl, self._folder = run.metrics, run.tensorboard
        self._warn = warn
        self._failed: set[Path] = set()
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write(self, kind: Kind, step: int, values: Mapping[str, float]) -> None:
        """Appends one line and one point of every curve."""
        if self._warn is None:
            return
        with self._failures_are_told(self._jsonl):
            append_line(self._jsonl, kind, step, values)
        with self._failures_are_told(self._folder):
            if kind not in self._writers:
                self._writers[kind] = tf.summary.create_file_writer(str(self._folder / kind))
            with self._writers[kind].as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)
            self._writers[kind].flush()

    def has_evaluation(self, step: int) -> bool:
        """Whether a line with the evaluation of a step is there."""
        try:
            lines = list(read_lines(self._jsonl))
        except OSError:
            return False
        return any(line["kind"] == "validation" and line["step"] == step for line in lines)

    def close(self) -> None:
        """Closes the event files."""
        for writer in self._writers.values():
            with self._failures_are_told(self._folder):
                writer.close()

    @contextlib.contextmanager
    def _failures_are_told(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            if self._warn and path not in self._failed:
                self._failed.add(path)
                reason = error.strerror if isinstance(error, OSError) else str(error).split("\n")[0]
                self._warn(f"cannot write {path}: {reason}; training goes on without it")
