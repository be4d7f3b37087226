"""Writes checkpoints that are whole, read back and finite, or not there; keeps the right ones."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from electra_cli.errors import IOFailedError, TrainingError
from electra_cli.files.atomic import DISK_IS_FULL, atomic_write_text
from electra_cli.files.layout import (
    COMMIT_FILE,
    EVALUATION_FILE,
    HIDDEN_CHECKPOINT_PATTERN,
    STATE,
    checkpoint_name,
)
from electra_cli.metrics.names import finite
from electra_cli.runs.commit import Commit, StoredFile, evaluated_metric, file_sha256
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.loop.state import read_state

_FORMAT_VERSION = 1
# Of which less is better; of every other metric more is.
_LESS_IS_BETTER = ("_loss", "_perplexity", "_error")


@dataclass(frozen=True)
class Keep:
    """Which checkpoints stay.

    Attributes:
      newest: How many of the newest.
      every: Every checkpoint at a multiple of it, for ever; None for none.
      best_by: The metric whose best checkpoint stays, for ever; None for none.
    """

    newest: int
    every: int | None = None
    best_by: str | None = None


@dataclass
class CheckpointSaver:
    """Saves the state of a run under RUN/checkpoints/ckpt-STEP.

    Attributes:
      checkpoint: What is saved.
      run: The run folder, or a worker's part of it.
      identity: config_sha256, vocab_sha256 and sizes, as in `Commit`.
      keep: Which checkpoints stay.
      needed_bytes: The size of a checkpoint, for the message when the disk is full.
    """

    checkpoint: tf.train.Checkpoint
    run: RunFolder
    identity: Mapping[str, Any]
    keep: Keep
    needed_bytes: int
    state_sha256: str = field(default="", init=False)

    def prepare(self) -> None:
        """Makes the folder of checkpoints, and removes what killed writers left in it.

        Raises:
          IOFailedError: It cannot be made.
        """
        try:
            self.run.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise self._failed(self.run.checkpoints, error.strerror or str(error)) from error
        for path in self.run.checkpoints.glob(HIDDEN_CHECKPOINT_PATTERN):
            shutil.rmtree(path, ignore_errors=True)

    def save(self, step: int) -> Path:
        """Saves the state after a step, unless that is saved already.

        Returns:
          The checkpoint's folder.

        Raises:
          IOFailedError: It could not be written, or what was written reads differently; earlier
            checkpoints are as they were.
          TrainingError: A value is not finite.
        """
        final = self.run.checkpoints / checkpoint_name(step)
        if final.is_dir():
            return final
        temporary = final.with_name(f".{final.name}.tmp-{os.getpid()}")
        try:
            temporary.mkdir()  # without parents: what has vanished does not come back half
            self.checkpoint.write(str(temporary / STATE))
            self._commit(temporary, step)
            temporary.rename(final)
            _sync_folder(final.parent)
        except OSError as error:
            raise self._failed(final, error.strerror or str(error)) from error
        except (tf.errors.OpError, ValueError) as error:
            raise self._failed(final, _reason(error)) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.sweep()
        return final

    def _commit(self, folder: Path, step: int) -> None:
        """Reads back what was written and makes it last."""
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        for path in files:
            _sync(path)
        state = read_state(folder / STATE)
        if state.not_finite:
            more = f" and {len(state.not_finite) - 3} more" if state.not_finite[3:] else ""
            names = ", ".join(name.split("/.ATTRIBUTES")[0] for name in state.not_finite[:3])
            raise TrainingError(
                f"step {step}: not finite: {names}{more}; no checkpoint was written",
                hint="start a new run with a lower --learning-rate, or --precision float32; the "
                "last checkpoint is finite",
            )
        self.state_sha256 = state.sha256
        stored = {
            path.name: StoredFile(bytes=path.stat().st_size, sha256=file_sha256(path))
            for path in files
        }
        commit = Commit(step=step, files=stored, state_sha256=state.sha256, **self.identity)
        commit = commit.model_copy(update={"checksum": commit.own_checksum()})
        atomic_write_text(folder / COMMIT_FILE, commit.model_dump_json(indent=1) + "\n")

    def _failed(self, final: Path, reason: str) -> IOFailedError:
        try:
            free = f"{shutil.disk_usage(final.parent.parent).free:,}"
        except OSError:
            free = "unknown"
        remedy = "find out what is wrong with the disk"
        if os.strerror(errno.EFBIG) in reason:
            remedy = "raise the limit on the size of files (ulimit -f)"
        elif any(os.strerror(number) in reason for number in DISK_IS_FULL):
            remedy = "free some space"
        return IOFailedError(
            f"cannot save checkpoint {final}: {reason} (it needs about {self.needed_bytes:,} "
            f"bytes, free are {free})",
            hint=f"{remedy} and run the same command again",
        )

    def record_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keeps held-out metrics beside the checkpoint of their step, for the choice of the best.

        Raises:
          IOFailedError: As `save`, which it calls first.
        """
        folder = self.save(step)
        record = {"format_version": _FORMAT_VERSION, "step": step, "metrics": finite(metrics)}
        try:
            atomic_write_text(folder / EVALUATION_FILE, json.dumps(record) + "\n")
        except OSError as error:
            raise self._failed(folder, error.strerror or str(error)) from error
        self.sweep()

    def best(self) -> Path | None:
        """The checkpoint with the best metric; the older of two that are equal."""
        name = self.keep.best_by
        if name is None:
            return None
        sign = -1.0 if name.endswith(_LESS_IS_BETTER) else 1.0
        values = {
            checkpoint.path: sign * value
            for checkpoint in self.run.all_checkpoints()
            if (value := evaluated_metric(checkpoint.path, name)) is not None
        }
        return max(values, key=lambda path: values[path], default=None)

    def sweep(self) -> None:
        """Deletes the checkpoints that need not stay; what cannot be deleted stays."""
        checkpoints = self.run.all_checkpoints()
        best = self.best()
        for checkpoint in checkpoints[: -self.keep.newest]:
            for_ever = self.keep.every is not None and checkpoint.step % self.keep.every == 0
            if for_ever or checkpoint.path == best:
                continue
            # First its name goes: half a checkpoint never has one.
            hidden = checkpoint.path.with_name(f".{checkpoint.path.name}.old")
            with suppress(OSError):
                checkpoint.path.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)


class SaveAction:
    """Saves at the multiples of an interval, at the last step, and what was evaluated.

    A save that fails is tried again after every loop, and ends the run if it has not succeeded by
    the time the next one is due: a full disk costs at most one interval, and gives people that time
    to make room.
    """

    def __init__(
        self,
        saver: CheckpointSaver,
        *,
        interval: int,
        last_step: int,
        step: Callable[[], int],
        warn: Callable[[str], None],
    ) -> None:
        self._saver, self._interval, self._last = saver, interval, last_step
        self._step, self._warn = step, warn
        self._failed = False

    def __call__(self, logs: Any = None) -> None:
        """Saves if it is time to.

        Raises:
          IOFailedError: The second save in a row that was due has failed, or the last one.
          TrainingError: A value is not finite.
        """
        del logs
        step = self._step()
        due = step % self._interval == 0 or step == self._last
        if due or self._failed:
            self._attempt(lambda: self._saver.save(step), step, due=due)

    def record_evaluation(self, metrics: Mapping[str, float]) -> None:
        """Saves with held-out metrics; those of a save that fails are never the best.

        Raises:
          IOFailedError: It has failed at the last step.
          TrainingError: A value is not finite.
        """
        step = self._step()
        self._attempt(lambda: self._saver.record_evaluation(step, metrics), step, due=False)

    def _attempt(self, save: Callable[[], object], step: int, *, due: bool) -> None:
        try:
            save()
        except IOFailedError as error:
            if step == self._last or (due and self._failed):
                raise
            if not self._failed:
                self._warn(f"{error.message}; trying again after every loop")
            self._failed = True
        else:
            self._failed = False


def _reason(error: Exception) -> str:
    """The part of a TensorFlow error that is for people."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:\w*\]", "", first).rpartition("; ")[2]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some network file systems do not sync folders
        _sync(folder)
