"""Dynamic masking as the reference does it (google-research/electra, pretrain_helpers.py).

Everything drawn here is a function of (seed, step, example index), so it changes neither with the
batch size nor with the number of replicas.

Shapes: B batch, S sequence, M masked positions (a fixed number of slots, some unused).
"""

from __future__ import annotations

from collections.abc import Mapping

import gin
import tensorflow as tf

from electra_cli.errors import DataError
from electra_cli.inputs import philox

Features = dict[str, tf.Tensor]

# Streams of random numbers of one example; a new use takes a new number.
_POSITIONS, _REPLACEMENTS, _SAMPLES = 0, 1, 2


def max_predictions(mask_probability: float, sequence_length: int) -> int:
    """How many slots M a row has (configure_pretraining.py: `max_predictions_per_seq`)."""
    return int((mask_probability + 0.005) * sequence_length)


def rows_to_features(input_ids: tf.Tensor, sep_id: int) -> Features:
    """Derives what follows from the ids of prepared rows: [CLS] a [SEP] (b [SEP]) padding.

    Args:
      input_ids: [B, S] integers; padding is 0.
      sep_id: The id of [SEP].

    Returns:
      input_ids, input_mask and segment_ids, each [B, S] int32.
    """
    ids = tf.cast(input_ids, tf.int32)
    input_mask = tf.cast(ids != 0, tf.int32)
    separators = tf.cast(ids == sep_id, tf.int32)
    segment_ids = tf.cumsum(separators, axis=1, exclusive=True) * input_mask
    return {"input_ids": ids, "input_mask": input_mask, "segment_ids": segment_ids}


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


def check_batch(inputs: Mapping[str, tf.Tensor], vocab_size: int) -> Features:
    """Checks a batch before anything looks up what it holds.

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


def candidate_mask(features: Features, unmaskable_ids: list[int]) -> tf.Tensor:
    """Which tokens may be masked: all but special tokens and padding; [UNK] may. [B, S] int32."""
    candidates = features["input_mask"] > 0
    for token in unmaskable_ids:
        candidates &= features["input_ids"] != token
    return tf.cast(candidates, tf.int32)


def scatter_ids(
    ids: tf.Tensor, positions: tf.Tensor, updates: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Writes updates into rows; a position written more than once gets the floor of the mean.

    That mean of ids is the reference's behaviour for a position drawn twice (`scatter_update`); it
    is a random token where the two samples differ.

    Args:
      ids: [B, S] int32.
      positions: [B, M] int32.
      updates: [B, M] int32.
      weights: [B, M]; slots with weight 0 write nothing.

    Returns:
      [B, S] int32.
    """
    used = tf.cast(weights > 0, tf.int32)  # [B, M]
    batch, length = tf.shape(ids)[0], tf.shape(ids)[1]
    flat = positions + tf.range(batch)[:, None] * length  # [B, M]
    segments = tf.reshape(flat, [-1])  # [B*M]
    cells = batch * length
    total = tf.math.unsorted_segment_sum(tf.reshape(updates * used, [-1]), segments, cells)
    count = tf.math.unsorted_segment_sum(tf.reshape(used, [-1]), segments, cells)  # [B*S]
    mean = tf.reshape(total // tf.maximum(count, 1), [batch, length])  # [B, S]
    return tf.where(tf.reshape(count, [batch, length]) > 0, mean, ids)


def _draw_with_replacement(
    candidates: tf.Tensor, slots: int, draws: dict[str, tf.Tensor]
) -> tf.Tensor:
    """M positions, each uniform over the candidates and independent of the others. [B, M]."""
    rank = tf.cumsum(candidates, axis=1)  # [B, S]
    bits = philox.random_bits(**draws, stream=_POSITIONS, count=slots)  # [B, M]
    chosen = philox.integer_below(bits, rank[:, -1]) + 1  # [B, M], 1-based rank of the candidate
    return tf.searchsorted(rank, chosen, side="left")


def _draw_distinct(candidates: tf.Tensor, slots: int, draws: dict[str, tf.Tensor]) -> tf.Tensor:
    """M different positions: those with the M largest random numbers. [B, M]."""
    length = candidates.shape[1]
    bits = philox.random_bits(**draws, stream=_POSITIONS, count=length)  # [B, S]
    # A sign bit less, so that -1 can stand behind every candidate.
    keys = tf.cast(tf.bitwise.right_shift(bits, tf.constant(1, tf.uint32)), tf.int32)
    return tf.math.top_k(tf.where(candidates > 0, keys, -1), k=slots).indices


def sample_uniforms(
    *, seed: tf.Tensor, step: tf.Tensor, examples: tf.Tensor, slots: int
) -> tf.Tensor:
    """The numbers in [0, 1) that choose the generator's samples. [B, M] float32."""
    bits = philox.random_bits(
        seed=seed, step=step, examples=examples, stream=_SAMPLES, count=slots
    )  # [B, M]
    return philox.uniform(bits)


@gin.configurable(denylist=["features", "seed", "step", "examples"])
def mask_tokens(
    features: Features,
    *,
    seed: tf.Tensor,
    step: tf.Tensor,
    examples: tf.Tensor,
    mask_probability: float,
    sampling: str,
    special_ids: dict[str, int],
    mask_token_probability: float = 0.85,
) -> Features:
    """Chooses the masked positions of a batch and replaces them in the generator's input.

    Of the chosen positions 85% become [MASK] and 15% stay as they are; none becomes a random
    token, and all of them are predicted and sampled (pretrain_helpers.py: `mask`).

    Args:
      features: input_ids, input_mask and segment_ids, each [B, S] int32.
      seed: Scalar integer; in validation a constant.
      step: Scalar integer; in validation a constant.
      examples: [B] int64, global example indices.
      mask_probability: Share of the tokens to mask ([CLS] and [SEP] count as tokens).
      sampling: "reference" draws positions with replacement, "distinct" without.
      special_ids: The ids of cls, sep and mask.
      mask_token_probability: Share of the chosen positions that become [MASK].

    Returns:
      The features and masked_input_ids [B, S] int32, masked_lm_positions [B, M] int32,
      masked_lm_ids [B, M] int32, masked_lm_weights [B, M] float32 and sample_uniforms [B, M]
      float32, the numbers that choose the generator's samples.
    """
    length = features["input_ids"].shape[1]
    slots = max_predictions(mask_probability, length)
    draws = {"seed": seed, "step": step, "examples": examples}
    unmaskable = [special_ids[name] for name in ("cls", "sep", "mask")]
    candidates = candidate_mask(features, unmaskable)  # [B, S]
    available = tf.reduce_sum(candidates, axis=1)  # [B]

    tokens = tf.cast(tf.reduce_sum(features["input_mask"], axis=1), tf.float32)  # [B]
    wanted = tf.cast(tf.round(tokens * mask_probability), tf.int32)  # [B]
    wanted = tf.maximum(1, tf.minimum(slots, wanted))
    if sampling == "distinct":
        positions = _draw_distinct(candidates, slots, draws)  # [B, M]
        wanted = tf.minimum(wanted, available)
    else:
        positions = _draw_with_replacement(candidates, slots, draws)  # [B, M]
        # A row without any candidate has nothing to predict.
        wanted = tf.where(available > 0, wanted, 0)
    used = tf.sequence_mask(wanted, slots, dtype=tf.int32)  # [B, M]
    positions *= used  # unused slots point at position 0, which is [CLS] and never masked

    bits = philox.random_bits(**draws, stream=_REPLACEMENTS, count=slots)  # [B, M]
    to_mask = used * tf.cast(philox.uniform(bits) < mask_token_probability, tf.int32)
    mask_ids = tf.fill(tf.shape(positions), special_ids["mask"])
    return features | {
        "masked_lm_positions": positions,
        "masked_lm_ids": tf.gather(features["input_ids"], positions, batch_dims=1) * used,
        "masked_lm_weights": tf.cast(used, tf.float32),
        "masked_input_ids": scatter_ids(features["input_ids"], positions, mask_ids, to_mask),
        "sample_uniforms": sample_uniforms(**draws, slots=slots),
    }
