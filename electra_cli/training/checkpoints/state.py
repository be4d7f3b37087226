"""What a checkpoint holds of a run: read back, hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

# What a checkpoint holds besides the state: TensorFlow's bookkeeping.
_NOT_STATE = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter")


@dataclass(frozen=True)
class State:
    """What was found in a checkpoint.

    Attributes:
      sha256: A hash of (name, type, shape, bytes) of all variables, slots, loss scale and step.
      not_finite: Names of values with an infinity or NaN in them.
    """

    sha256: str
    not_finite: list[str]


def read_state(prefix: Path) -> State:
    """Reads every value of a checkpoint; TensorFlow compares each with its checksum.

    Args:
      prefix: The checkpoint's path without `.index`.

    Raises:
      tf.errors.OpError, ValueError: Something cannot be read.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    digest = hashlib.sha256()
    not_finite = []
    for name in sorted(reader.get_variable_to_shape_map()):
        if name.split("/")[0] in _NOT_STATE:
            continue
        value = np.asarray(reader.get_tensor(name))
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            not_finite.append(name)
    return State(digest.hexdigest(), not_finite)
