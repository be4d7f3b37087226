"""Everything periodic: each is an Orbit action, called after every loop with its logs."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from electra_cli.errors import TrainingError
from electra_cli.metrics.names import finite
from electra_cli.training.loop.trainer import MOST_SKIPPED, WINDOW, ElectraTrainer

Logs = Mapping[str, float]

_FORMAT_VERSION = 1
_EXAMPLES_SHOWN = 8


class MetricWriter:
    """Writes metrics to RUN/metrics.jsonl and to TensorBoard.

    A line of metrics.jsonl is {"format_version", "kind": "train" | "validation", "step", …}; a
    value that is not a finite number is null. A line may stand there twice, alike: a run that was
    killed does again what it had not saved. What cannot be written is lost, and the run goes on.

    Args:
      jsonl: The file.
      tensorboard: The folder of event files.
      warn: Is told the first failure of each kind; None to write nothing at all.
    """

    def __init__(self, jsonl: Path, tensorboard: Path, warn: Callable[[str], None] | None) -> None:
        self._jsonl = jsonl
        self._folder = tensorboard
        self._warn = warn
        self._failed: set[Path] = set()
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write(self, kind: str, step: int, values: Logs) -> None:
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


def stop_when_diverged(
    trainer: ElectraTrainer, examples_of: Callable[[int], Sequence[int]]
) -> Callable[[Logs], None]:
    """Ends a run that skips too many steps because they are not finite.

    Args:
      trainer: Knows whether it is so.
      examples_of: The examples of a step.
    """

    def action(logs: Logs) -> None:
        found = trainer.divergence
        if found is None:
            return
        shown = ", ".join(map(str, examples_of(int(found["step"]))[:_EXAMPLES_SHOWN]))
        raise TrainingError(
            f"loss or gradient was not finite in more than {MOST_SKIPPED} of the last {WINDOW:,} "
            f"steps, at last in step {found['step']} with the examples {shown} … (learning rate "
            f"{found['learning_rate']:.3g}, total_loss {found['total_loss']:.3g}, gradient norm "
            f"{found['gradient_norm']:.3g}); in a row: {logs['skipped_in_a_row']}",
            hint="start a new run with a lower --learning-rate, or --precision float32; "
            "the weights of the last checkpoint are finite",
        )

    return action


def every(
    interval: int, last_step: int, step: Callable[[], int], action: Callable[[Logs], None]
) -> Callable[[Logs], None]:
    """Calls an action at the multiples of an interval and at the last step."""

    def wrapped(logs: Logs) -> None:
        if step() % interval == 0 or step() == last_step:
            action(logs)

    return wrapped
