"""Writes checkpoints that are whole, read back and finite, or not there."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from electra_cli.cluster.acts import ALONE, by_chief
from electra_cli.cluster.member import Worker
from electra_cli.errors import IOFailedError, TrainingError, listed
from electra_cli.files.atomic import DISK_IS_FULL, atomic_write_text, sync, sync_folder
from electra_cli.files.layout import (
    COMMIT_FILE,
    EVALUATION_FILE,
    HIDDEN_CHECKPOINT_PATTERN,
    STATE,
    checkpoint_name,
)
from electra_cli.metrics.names import finite
from electra_cli.runs.commit import Commit, StoredFile, file_sha256
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.state import read_state

_FORMAT_VERSION = 1


@dataclass
class CheckpointSaver:
    """Saves the state of a run under RUN/checkpoints/ckpt-STEP.

    The workers of a cluster save together: the chief writes, and none goes on before it has.

    Attributes:
      checkpoint: What is saved.
      run: The run folder.
      identity: config_sha256, vocab_sha256 and sizes, as in `Commit`.
      keep: Which checkpoints stay.
      needed_bytes: The size of a checkpoint, for the message when the disk is full.
      worker: Which of the workers this is.
      mirror: Where what is saved is copied to; None for nowhere.
    """

    checkpoint: tf.train.Checkpoint
    run: RunFolder
    identity: Mapping[str, Any]
    keep: Keep
    needed_bytes: int
    worker: Worker = ALONE
    mirror: Mirror | None = None

    def prepare(self) -> None:
        """Makes the folder of checkpoints, and removes what killed writers left in it.

        Raises:
          IOFailedError: It cannot be made.
        """
        by_chief(self.worker, "prepare to save", self._prepare)

    def _prepare(self) -> None:
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
        by_chief(self.worker, "save", lambda: self._save(final, step))
        return final

    def _save(self, final: Path, step: int) -> None:
        if final.is_dir():
            return
        temporary = final.with_name(f".{final.name}.tmp-{os.getpid()}")
        try:
            temporary.mkdir()  # without parents: what has vanished does not come back half
            self.checkpoint.write(str(temporary / STATE))
            self.commit(temporary, step)
            temporary.rename(final)
            sync_folder(final.parent)
        except OSError as error:
            raise self._failed(final, error.strerror or str(error)) from error
        except tf.errors.InternalError:  # of a device: no file system says that
            raise
        except (tf.errors.OpError, ValueError) as error:
            raise self._failed(final, _reason(error)) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._settle()

    def commit(self, folder: Path, step: int) -> None:
        """Reads back what was written and makes it last."""
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        for path in files:
            sync(path)
        state = read_state(folder / STATE)
        if state.not_finite:
            names = listed([name.split("/.ATTRIBUTES")[0] for name in state.not_finite])
            raise TrainingError(
                f"step {step}: not finite: {names}; no checkpoint was written",
                hint="start a new run with a lower --learning-rate, or --precision float32; the "
                "last checkpoint is finite",
            )
        stored = {
            path.name: StoredFile(bytes=path.stat().st_size, sha256=file_sha256(path))
            for path in files
        }
        commit = Commit(step=step, files=stored, state_sha256=state.sha256, **self.identity)
        commit = commit.model_copy(update={"checksum": commit.own_checksum()})
        atomic_write_text(folder / COMMIT_FILE, commit.model_dump_json(indent=1) + "\n")

    def record_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keeps held-out metrics beside the checkpoint of their step, for the choice of the best.

        Raises:
          IOFailedError: As `save`, which it calls first.
        """
        folder = self.save(step)
        by_chief(self.worker, "record", lambda: self._record(folder, step, metrics))

    def _record(self, folder: Path, step: int, metrics: Mapping[str, float]) -> None:
        record = {"format_version": _FORMAT_VERSION, "step": step, "metrics": finite(metrics)}
        try:
            atomic_write_text(folder / EVALUATION_FILE, json.dumps(record) + "\n")
        except OSError as error:
            raise self._failed(folder, error.strerror or str(error)) from error
        self._settle()

    def _settle(self) -> None:
        """Deletes what need not stay, and has the rest mirrored."""
        if self.mirror is None:
            self.keep.sweep(self.run)
        else:
            self.keep.sweep(self.run, self.mirror.holds)
            self.mirror.notify()

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


def _reason(error: Exception) -> str:
    """The part of a TensorFlow error that is for people."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:\w*\]", "", first).rpartition("; ")[2]
