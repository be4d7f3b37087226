"""The tokens that a generator puts in the place of those that were masked.

Shapes: N masked positions, V vocabulary, C columns of it.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.fused import column_weights, compiled

_NEVER = 1000.0  # pretrain_helpers.py, `sample_from_softmax`: off the logit of what is not drawn


@compiled
def sampling_logits(
    logits: tf.Tensor, temperature: tf.Tensor | None, disallowed: tf.Tensor | None
) -> tf.Tensor:
    """The logits that tokens are drawn from (run_pretraining.py, `_get_fake_data`).

    They are divided by the temperature first, so that what is never drawn stays so at every one.

    Args:
      logits: [N, V] float32.
      temperature: [N] float32; None: 1.
      disallowed: [N] int32, a token a row that is not to be drawn; None: every token may be.

    Returns:
      [N, V] float32.
    """
    if temperature is not None:
        logits /= temperature[:, None]
    if disallowed is not None:
        logits -= tf.where(tf.range(logits.shape[-1]) == disallowed[:, None], _NEVER, 0.0)
    return logits


def uniform_ids(
    uniforms: tf.Tensor, vocab_size: int, disallowed: tf.Tensor | None = None
) -> tf.Tensor:
    """Draws tokens that are equally likely: `sample_ids` of logits that are all the same.

    Args:
      uniforms: Float32 in [0, 1), of any shape.
      vocab_size: V.
      disallowed: int32 of the same shape, tokens that are not to be drawn; None: all may be.

    Returns:
      int32 of the same shape.
    """
    choices = vocab_size if disallowed is None else vocab_size - 1
    found = tf.cast(uniforms * choices, tf.int32)
    found = tf.minimum(found, choices - 1)  # a product may be rounded up
    return found if disallowed is None else found + tf.cast(found >= disallowed, tf.int32)


def sample_ids(logits: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Draws one token a row from softmax(logits) by inverting the cumulative distribution.

    The distribution is the one of the reference's Gumbel-max at temperature 1, with one random
    number a position instead of V. The vocabulary is searched in two steps, first for the column
    (see `fused.column_weights`) and then within it, so nothing of the size of the logits is
    written.

    Args:
      logits: [N, V] float32.
      uniforms: [N] float32 in [0, 1).

    Returns:
      [N] int32.
    """
    vocab_size = logits.shape[-1]
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)  # [N, 1]
    columns = tf.cumsum(column_weights(logits, highest), axis=-1)  # [N, C]
    threshold = uniforms[:, None] * columns[:, -1:]  # [N, 1]
    column = _first_above(columns, threshold, columns.shape[-1])  # [N, 1]
    before = tf.gather(tf.pad(columns, [[0, 0], [1, 0]]), column, batch_dims=1)  # [N, 1]
    ids = column + tf.range(0, vocab_size, columns.shape[-1])  # [N, ⌈V / C⌉]
    chosen = tf.gather(logits, tf.minimum(ids, vocab_size - 1), batch_dims=1)  # [N, ⌈V / C⌉]
    weights = tf.where(ids < vocab_size, tf.exp(chosen - highest), 0.0)
    within = before + tf.cumsum(weights, axis=-1)  # [N, ⌈V / C⌉]
    last = tf.reduce_sum(tf.cast(ids < vocab_size, tf.int32), axis=-1, keepdims=True)  # [N, 1]
    return tf.gather(ids, _first_above(within, threshold, last), batch_dims=1)[:, 0]  # [N]


def _first_above(cumulative: tf.Tensor, threshold: tf.Tensor, size: tf.Tensor | int) -> tf.Tensor:
    """The first of `size` columns above the threshold, or the last; [N, C], [N, 1] -> [N, 1]."""
    found = tf.searchsorted(cumulative, threshold, side="right")  # [N, 1]
    return tf.minimum(found, size - 1)
