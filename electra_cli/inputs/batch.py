"""What a batch has to hold, checked before anything looks up what is in it.

Shapes: B batch, S sequence, M masked positions.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf


def checked_batch(inputs: Mapping[str, tf.Tensor], vocab_size: int) -> dict[str, tf.Tensor]:
    """Checks a batch; the result has to be used, or nothing is checked in a graph.

    Args:
      inputs: Rows of ours, features that are masked already, or Model Garden's records.
      vocab_size: V.

    Returns:
      The same batch.

    Raises:
      tf.errors.InvalidArgumentError: When the step runs, ids are outside of the vocabulary or
        positions outside of the row; it names the key and the values.
    """
    checked = {key: tf.convert_to_tensor(value) for key, value in inputs.items()}
    words = "input_word_ids" if "input_word_ids" in inputs else "input_ids"
    limits = {words: vocab_size, "masked_lm_ids": vocab_size}
    limits["masked_lm_positions"] = checked[words].shape[1]
    for key, limit in limits.items():
        if key in checked:
            checked[key] = _below(checked[key], limit, key)
    return checked


def _below(values: tf.Tensor, limit: int, key: str) -> tf.Tensor:
    lowest, highest = tf.reduce_min(values), tf.reduce_max(values)
    message = f"{key} must be at least 0 and below {limit}; lowest and highest are"
    is_inside = tf.debugging.Assert((lowest >= 0) & (highest < limit), [message, lowest, highest])
    with tf.control_dependencies([is_inside] if is_inside is not None else []):
        return tf.identity(values)
