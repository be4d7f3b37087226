"""A softmax over the vocabulary at every position, of which only a block exists at a time.

Logits of all positions would be several arrays of [B, S, V]: 2 GB each for 128 rows of 128 tokens
and 30,522 word pieces, where ELECTRA has those of the masked positions alone.

Shapes: N positions (B·S), E embedding, V vocabulary, Q positions of a block, K blocks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from electra_cli.modeling.architecture import MOST_CANDIDATES
from electra_cli.modeling.attention import looped
from electra_cli.modeling.fused import biased_logits, column_weights, cross_entropy_gradient
from electra_cli.modeling.layers import length_of


class Scores(NamedTuple):
    """What is known of every position, [N] float32 each.

    Attributes:
      nats: -log q of the token that is there.
      of_others: log q of another token, without a gradient.
      is_best: 1 where no token is likelier than the one that is there, 0 elsewhere.
    """

    nats: tf.Tensor
    of_others: tf.Tensor
    is_best: tf.Tensor


def scores_of(
    predicted: tf.Tensor, words: tf.Tensor, bias: tf.Tensor, ids: tf.Tensor, others: tf.Tensor
) -> Scores:
    """Compares what is predicted with the whole vocabulary, one block of positions after the other.

    The gradient, which is of `nats` alone, computes the logits of each block again.

    Args:
      predicted: [N, E] in the compute type.
      words: The word table, [V, E] in the compute type.
      bias: Of the logits, [V] float32.
      ids: The tokens that are there, [N] int32.
      others: Other tokens, [N] int32.
    """
    length = length_of(predicted, 0)
    blocks = -(-length // MOST_CANDIDATES)  # K
    filled = blocks * MOST_CANDIDATES - length  # the last block is filled up

    def cut(values: tf.Tensor) -> tf.Tensor:
        """[N, …] -> [K, Q, …]."""
        paddings = [[0, filled], *([[0, 0]] * (values.shape.rank - 1))]
        shape = [blocks, MOST_CANDIDATES, *values.shape[1:]]
        return tf.reshape(tf.pad(values, paddings), shape)

    ids, others = cut(ids), cut(others)  # [K, Q] each

    @tf.custom_gradient
    def differentiable(predicted: tf.Tensor, words: tf.Tensor, bias: tf.Tensor) -> Any:
        rows = cut(predicted)  # [K, Q, E]

        def logits_of(number: tf.Tensor) -> tf.Tensor:
            product = tf.matmul(rows[number], words, transpose_b=True)  # [Q, V]
            return biased_logits(product, bias)

        def forward(number: tf.Tensor) -> list[tf.Tensor]:
            logits = logits_of(number)  # [Q, V]
            highest = tf.reduce_max(logits, axis=-1, keepdims=True)  # [Q, 1]
            total = tf.reduce_sum(column_weights(logits, highest), axis=-1, keepdims=True)
            normalizer = highest + tf.math.log(total)  # [Q, 1]
            chosen = tf.stack([ids[number], others[number]], axis=1)  # [Q, 2]
            there, other = tf.unstack(tf.gather(logits, chosen, batch_dims=1), axis=1)  # [Q] each
            norm = normalizer[:, 0]  # [Q]
            is_best = tf.cast(there >= highest[:, 0], tf.float32)  # [Q]
            return [tf.stack([norm - there, other - norm, is_best, norm])]  # [4, Q]

        [found] = looped(forward, [], blocks, tf.float32)  # [K, 4, Q]
        columns = tf.unstack(found, axis=1)  # [K, Q] each

        def gradient(of_nats: tf.Tensor, *rest: tf.Tensor) -> tuple[tf.Tensor, ...]:
            del rest
            upstream = cut(of_nats)  # [K, Q]

            def backward(
                number: tf.Tensor, of_words: tf.Tensor, of_bias: tf.Tensor
            ) -> list[tf.Tensor]:
                logits, norm = logits_of(number), columns[3][number]  # [Q, V], [Q]
                of_logits = cross_entropy_gradient(
                    logits, ids[number], norm[:, None], upstream[number]
                )  # [Q, V]
                narrow = tf.cast(of_logits, words.dtype)  # [Q, V]
                part = tf.matmul(narrow, rows[number], transpose_a=True)  # [V, E]
                # Sums over rows as products with ones, for the reason given at `fused.affine`.
                ones = tf.ones_like(narrow[:, :1])  # [Q, 1]
                summed = tf.matmul(ones, narrow, transpose_a=True)[0]  # [V]
                return [
                    tf.matmul(narrow, words),  # [Q, E]
                    of_words + tf.cast(part, tf.float32),
                    of_bias + tf.cast(summed, tf.float32),
                ]

            # Not tf.zeros, for the reason given at `attention._in_blocks`.
            zeros = [tf.cast(tf.raw_ops.ZerosLike(x=x), tf.float32) for x in (words, bias)]
            of_rows, of_words, of_bias = looped(backward, zeros, blocks, words.dtype)
            flat = tf.reshape(of_rows, [-1, rows.shape[-1]])[:length]  # [N, E]
            return flat, tf.cast(of_words, words.dtype), of_bias

        return tuple(tf.reshape(column, [-1])[:length] for column in columns[:3]), gradient

    return Scores(*differentiable(predicted, words, bias))
