"""What a batch has to hold, checked before anything looks up what is in it.

Shapes: B batch, S sequence, M masked positions.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from electra_cli.errors import DataError

# What a batch must have, and the shape of each: rows of ours, features that are masked already, and
# Model Garden's records.
_ROWS = {"input_ids": "[B, S]", "example_index": "[B]", "step": "[B]"}
_MASKED = {
    "input_mask": "[B, S]",
    "masked_lm_positions": "[B, M]",
    "masked_lm_ids": "[B, M]",
    "masked_lm_weights": "[B, M]",
}
_FEATURES = {"input_ids": "[B, S]", "segment_ids": "[B, S]", "masked_input_ids": "[B, S]"} | _MASKED
_RECORDS = {"input_word_ids": "[B, S]", "input_type_ids": "[B, S]"} | _MASKED


def checked_batch(inputs: Mapping[str, tf.Tensor], vocab_size: int) -> dict[str, tf.Tensor]:
    """Checks a batch; the result has to be used, or nothing is checked in a graph.

    Args:
      inputs: Rows of ours, features that are masked already, or Model Garden's records.
      vocab_size: V.

    Returns:
      The same batch.

    Raises:
      DataError: A key is missing, or ids are no integers.
      tf.errors.InvalidArgumentError: When the step runs, ids are outside of the vocabulary or
        positions outside of the row; it names the key and the values.
    """
    wanted = _RECORDS if "input_word_ids" in inputs else _ROWS
    if wanted is _ROWS and not _MASKED.keys().isdisjoint(inputs):
        wanted = _FEATURES
    for key, shape in wanted.items():
        if key not in inputs:
            raise DataError(
                f"the batch has no {key}, which must be {shape}; it has "
                f"{', '.join(sorted(inputs)) or 'nothing'}",
                hint="pass what build_inputs gives",
            )
    checked = {key: tf.convert_to_tensor(value) for key, value in inputs.items()}
    words = next(iter(wanted))
    limits = {words: vocab_size, "masked_lm_ids": vocab_size}
    limits["masked_lm_positions"] = checked[words].shape[1]
    for key, limit in limits.items():
        if key in wanted:
            checked[key] = _below(checked[key], limit, key)
    return checked


def _below(values: tf.Tensor, limit: int, key: str) -> tf.Tensor:
    if not values.dtype.is_integer:
        raise DataError(
            f"{key} must be integers, but is {values.dtype.name}", hint="pass token ids"
        )
    lowest, highest = tf.reduce_min(values), tf.reduce_max(values)
    message = f"{key} must be at least 0 and below {limit}; lowest and highest are"
    is_inside = tf.debugging.Assert((lowest >= 0) & (highest < limit), [message, lowest, highest])
    with tf.control_dependencies([is_inside] if is_inside is not None else []):
        return tf.identity(values)
