"""Dynamic masking as the reference does it (google-research/electra, pretrain_helpers.py).

Everything drawn here is a function of (seed, step, example index), so it changes neither with the
batch size nor with the number of replicas.

Shapes: B batch, S sequence, M masked positions (a fixed number of slots, some unused).
"""

from __future__ import annotations

import gin
import tensorflow as tf

from electra_cli.config.choices import Masking
from electra_cli.config.schema import max_predictions
from electra_cli.inputs import philox, word_masking

Features = dict[str, tf.Tensor]

# Streams of random numbers of one example; a new use takes a new number, word_masking.py's too.
_POSITIONS, _REPLACEMENTS, _SAMPLES = 0, 1, 2


def rows_to_features(input_ids: tf.Tensor, sep_id: int, pad_id: int = 0) -> Features:
    """Derives what follows from the ids of prepared rows: [CLS] a [SEP] (b [SEP] …) padding.

    Args:
      input_ids: [B, S] integers.
      sep_id: The id of [SEP].
      pad_id: The id of [PAD].

    Returns:
      input_ids, input_mask and segment_ids, each [B, S] int32.
    """
    ids = tf.cast(input_ids, tf.int32)
    input_mask = tf.cast(ids != pad_id, tf.int32)
    separators = tf.cast(ids == sep_id, tf.int32)
    before = tf.cumsum(separators, axis=1, exclusive=True)  # [B, S]
    segment_ids = tf.minimum(before, 1) * input_mask  # all behind the first [SEP] is the second
    return {"input_ids": ids, "input_mask": input_mask, "segment_ids": segment_ids}


def document_ids(input_ids: tf.Tensor, sep_id: int) -> tf.Tensor:
    """The document of each position of rows that hold several; [B, S] int32 -> [B, S] int32.

    That is the number of [SEP] before it: a document ends with its [SEP], and [CLS] belongs to the
    first one. Padding behind the last one would be one more.

    Args:
      input_ids: Before anything was replaced, so that no sample that is a [SEP] ends a document.
      sep_id: The id of [SEP].
    """
    return tf.cumsum(tf.cast(input_ids == sep_id, tf.int32), axis=1, exclusive=True)


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


def _priorities(
    masking: Masking,
    candidates: tf.Tensor,
    word_starts: tf.Tensor | None,
    wanted: tf.Tensor,
    draws: dict[str, tf.Tensor],
) -> tf.Tensor:
    """The positions with the largest priorities are masked, none with a negative one. [B, S]."""
    if masking == "token":
        bits = philox.random_bits(**draws, stream=_POSITIONS, count=candidates.shape[1])  # [B, S]
        priorities = philox.integer(bits)
    else:
        assert word_starts is not None  # only tokens are drawn without
        words = word_masking.words_of(candidates, word_starts)
        if masking == "whole-word":
            priorities = word_masking.whole_word_priorities(words, wanted, draws)
        else:
            priorities = word_masking.span_priorities(words, draws)
    return tf.where(candidates > 0, priorities, -1)


def sample_uniforms(
    *, seed: tf.Tensor, step: tf.Tensor, examples: tf.Tensor, slots: int
) -> tf.Tensor:
    """The numbers in [0, 1) that choose the generator's samples. [B, M] float32."""
    bits = philox.random_bits(
        seed=seed, step=step, examples=examples, stream=_SAMPLES, count=slots
    )  # [B, M]
    return philox.uniform(bits)


@gin.configurable(allowlist=["mask_token_probability"])  # all else is passed, and would win
def mask_tokens(
    features: Features,
    *,
    seed: tf.Tensor,
    step: tf.Tensor,
    examples: tf.Tensor,
    mask_probability: float,
    sampling: str,
    special_ids: dict[str, int],
    masking: Masking = "token",
    word_starts: tf.Tensor | None = None,
    mask_token_probability: float = 0.85,
) -> Features:
    """Chooses the masked positions of a batch and replaces them in the generator's input.

    85% of the chosen positions become [MASK] and 15% stay as they are; none becomes a random
    token, and all of them are predicted and sampled (pretrain_helpers.py: `mask`).

    Args:
      features: input_ids, input_mask and segment_ids, each [B, S] int32.
      seed: Scalar integer; in validation a constant.
      step: Scalar integer; in validation a constant.
      examples: [B] int64, global example indices.
      mask_probability: Share of the tokens to mask ([CLS] and [SEP] count as tokens).
      sampling: "reference" draws tokens with replacement, "distinct" without; words and spans are
        always drawn without.
      special_ids: The ids of cls, sep and mask.
      masking: Whether tokens, words or spans of words are drawn.
      word_starts: Where words begin, [B, S] bool; not needed to draw tokens.
      mask_token_probability: Share of the chosen positions that become [MASK].

    Returns:
      The features and masked_input_ids [B, S] int32, masked_lm_positions [B, M] int32,
      masked_lm_ids [B, M] int32, masked_lm_weights [B, M] float32 and sample_uniforms [B, M]
      float32, the numbers that choose the generator's samples.

    Raises:
      DataError: Words or spans are to be drawn and there are no word_starts.
    """
    length = features["input_ids"].shape[1]
    slots = max_predictions(mask_probability, length)
    draws = {"seed": seed, "step": step, "examples": examples}
    unmaskable = [special_ids[name] for name in ("cls", "sep", "mask")]
    candidates = candidate_mask(features, unmaskable)  # [B, S]

    tokens = tf.cast(tf.reduce_sum(features["input_mask"], axis=1), tf.float32)  # [B]
    wanted = tf.cast(tf.round(tokens * mask_probability), tf.int32)  # [B]
    wanted = tf.maximum(1, tf.minimum(slots, wanted))
    if masking == "token" and sampling == "reference":
        positions = _draw_with_replacement(candidates, slots, draws)  # [B, M]
        # A row without any candidate has nothing to predict.
        wanted = tf.where(tf.reduce_any(candidates > 0, axis=1), wanted, 0)
    else:
        priorities = _priorities(masking, candidates, word_starts, wanted, draws)  # [B, S]
        positions = tf.math.top_k(priorities, k=slots).indices  # [B, M]
        available = tf.reduce_sum(tf.cast(priorities >= 0, tf.int32), axis=1)  # [B]
        wanted = tf.minimum(wanted, available)
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
