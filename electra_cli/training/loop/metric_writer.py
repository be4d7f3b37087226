"""Metrics on their way into a run folder: metrics.jsonl, and events for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import tensorflow as tf

from electra_cli.metrics.names import finite
from electra_cli.runs.run_folder import RunFolder

_FORMAT_VERSION = 1


class MetricWriter:
    """Writes metrics to RUN/metrics.jsonl and to TensorBoard.

    A line of metrics.jsonl is {"format_version", "kind": "train" | "validation", "step", …}; a
    value that is not a finite number is null. A line may stand there twice, alike: a run that was
    killed does again what it had not saved. What cannot be written is lost, and the run goes on.

    Args:
      run: The run folder.
      warn: Hears the first failure of each kind; None to write nothing at all.
    """

    def __init__(self, run: RunFolder, warn: Callable[[str], None] | None) -> None:
        self._jsonl, self._folder = run.metrics, run.tensorboard
        self._warn = warn
        self._failed: set[Path] = set()
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Appends one line and one point of every curve."""
        if self._warn is None:
            return
        line = {"format_version": _FORMAT_VERSION, "kind": kind, "step": step, **finite(values)}
        with self._failures_are_told(self._jsonl):
            _append_line(self._jsonl, json.dumps(line))
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
            with self._jsonl.open(encoding="utf-8", errors="replace") as file:
                lines = [line for line in file if '"validation"' in line]
        except OSError:
            return False
        for text in reversed(lines):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                if json.loads(text)["step"] == step:
                    return True
        return False

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


def _append_line(path: Path, text: str) -> None:
    """Appends a line, whole or not at all, after what a killed writer may have left of one."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read(1) != b"\n"
        data = (b"\n" if torn else b"") + text.encode() + b"\n"
        try:
            file.write(data)
            file.flush()
        except OSError:
            file.truncate(size)
            raise
