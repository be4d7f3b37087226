"""Everything periodic: each is an Orbit action, called after every loop with its logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from electra_cli.errors import TrainingError
from electra_cli.metrics.names import finite

Logs = Mapping[str, float]

_FORMAT_VERSION = 1
_MOST_SKIPPED_IN_A_ROW = 10


class MetricWriter:
    """Writes metrics to RUN/metrics.jsonl and to TensorBoard.

    A line of metrics.jsonl is {"format_version", "kind": "train" | "validation", "step", …}; a
    value that is not a finite number is null.
    """

    def __init__(self, jsonl: Path, tensorboard: Path) -> None:
        self._jsonl = jsonl
        self._folder = tensorboard
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write(self, kind: str, step: int, values: Logs) -> None:
        """Appends one line and one point of every curve."""
        line = {"format_version": _FORMAT_VERSION, "kind": kind, "step": step, **finite(values)}
        with self._jsonl.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if kind not in self._writers:
            self._writers[kind] = tf.summary.create_file_writer(str(self._folder / kind))
        with self._writers[kind].as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[kind].flush()

    def close(self) -> None:
        """Closes the event files."""
        for writer in self._writers.values():
            writer.close()


def stop_when_diverged(step: Callable[[], int]) -> Callable[[Logs], None]:
    """Ends a run that skips more than ten steps in a row because they are not finite."""

    def action(logs: Logs) -> None:
        if logs["skipped_in_a_row"] > _MOST_SKIPPED_IN_A_ROW:
            raise TrainingError(
                f"loss or gradient was not finite for {logs['skipped_in_a_row']} steps in a row, "
                f"until step {step()} (learning rate {logs['learning_rate']:.3g}, "
                f"total_loss {logs['total_loss']:.3g}, gradient norm "
                f"{logs['gradient_norm']:.3g})",
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


def save_with(manager: tf.train.CheckpointManager, step: Callable[[], int]) -> Callable[..., None]:
    """Saves a checkpoint named by its step."""

    def action(logs: Logs | None = None) -> None:
        del logs
        manager.save(checkpoint_number=step(), check_interval=False)

    return action
