"""Everything periodic: each is an Orbit action, called after every loop with its logs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from electra_cli.errors import TrainingError
from electra_cli.metrics.names import finite

Logs = Mapping[str, float]

_FORMAT_VERSION = 1


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


def stop_when_not_finite(step: Callable[[], int]) -> Callable[[Logs], None]:
    """Ends a run whose losses are no numbers any more, before anything of it is saved."""

    def action(logs: Logs) -> None:
        for name in ("total_loss", "masked_lm_loss", "disc_loss"):
            if not math.isfinite(logs[name]):
                raise TrainingError(
                    f"{name} is {logs[name]} at step {step()} "
                    f"(learning rate {logs['learning_rate']:.3g}, "
                    f"gradient norm {logs['gradient_norm']:.3g})",
                    hint="start a new run with a lower --learning-rate, or --precision float32; "
                    "the last checkpoint is from before",
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
