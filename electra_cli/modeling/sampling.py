"""The tokens that a generator puts in the place of those that were masked.

Shapes: N masked positions, V vocabulary, C columns of it.
"""

from __future__ import annotations

import tensorflow as tf

from electra_cli.modeling.fused import column_weights


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
