"""A fingerprint of everything a run has learned so far."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

# What a checkpoint holds besides the state: its own bookkeeping.
_NOT_STATE = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter")


def state_sha256(prefix: Path) -> str:
    """Hashes a checkpoint: variables, optimizer slots, loss scale and step, by name.

    Args:
      prefix: The checkpoint's path without `.index`.

    Returns:
      The hexadecimal SHA-256 over (name, type, shape, bytes) of every value.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    digest = hashlib.sha256()
    for name in sorted(reader.get_variable_to_shape_map()):
        if name.split("/")[0] in _NOT_STATE:
            continue
        value = np.asarray(reader.get_tensor(name))
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
