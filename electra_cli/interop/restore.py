"""Fills objects with what a checkpoint of ours holds."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from electra_cli.errors import DataError


def restore(objects: tf.train.Checkpoint, prefix: Path, *, hint: str) -> None:
    """Fills objects with what a checkpoint holds under their names.

    Args:
      objects: What is filled; the checkpoint may hold more.
      prefix: The checkpoint's path without `.index`.
      hint: Of the error.

    Raises:
      DataError: Something of them is not in the checkpoint, or the files are damaged.
    """
    try:
        objects.read(str(prefix)).expect_partial().assert_existing_objects_matched()
    except (tf.errors.InternalError, tf.errors.ResourceExhaustedError):
        raise  # of a device: a damaged file is something else
    except (AssertionError, IndexError, ValueError, tf.errors.OpError) as error:
        raise DataError(
            f"checkpoint {prefix} cannot be restored: {str(error).splitlines()[0]}", hint=hint
        ) from error
