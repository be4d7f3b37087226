"""Attention, in the form of a CPU's pieces and in the one for steps that are compiled as a whole.

Both compute the same within rounding and drop the same weights: what is said of weight i of
[B, H, keys, queries] in the one holds in the other, whichever axis comes first and however queries
are cut into blocks.

Shapes: B batch, S sequence, D hidden, H heads, K head size (D = H·K), Q queries of a block,
N blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from electra_cli.modeling.architecture import MOST_QUERIES
from electra_cli.modeling.dropout import Draw, Places, dropped, row_major
from electra_cli.modeling.fused import fused, is_compiled_as_a_whole, is_plain
from electra_cli.modeling.layers import length_of

Reading = Literal["both", "ltr", "rtl"]  # what a position sees: all, or none behind or before it

_MASKED_SCORE = -10000.0  # modeling.py: `attention_layer`
_MULTIPLE = 8  # the size of a block is one, as matrix units want it


def attend(
    projected: tf.Tensor,
    input_mask: tf.Tensor,
    draw: Draw,
    document_ids: tf.Tensor | None = None,
    *,
    heads: int,
    reading: Reading = "both",
) -> tf.Tensor:
    """What each position takes from those it sees that are not padding.

    Args:
      projected: Queries, keys and values, [B·S, 3·D].
      input_mask: [B, S], 0 for padding.
      draw: The mask of dropout on attention weights.
      document_ids: [B, S] int32; no position sees one with another. None: all are of one document.
      heads: H.
      reading: Which positions each one sees, itself among them.

    Returns:
      [B·S, D] in the type of `projected`.
    """
    length = length_of(input_mask)
    hidden = projected.shape[-1] // 3
    size = hidden // heads
    split = tf.reshape(projected, [-1, length, 3, heads, size])  # [B, S, 3, H, K]
    documents = () if document_ids is None else (document_ids,)
    if is_compiled_as_a_whole() and isinstance(length, int) and length > MOST_QUERIES:
        context = _in_blocks(split, input_mask, draw, documents, reading)  # [B, S, H, K]
        return tf.reshape(context, [-1, hidden])  # [B·S, D]
    query, key, value = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))  # each [B, H, S, K]
    if is_plain():
        context = _of_queries(
            query, key, value, input_mask, draw, tf.constant(0), documents, reading
        )  # [B, H, S, K]
    else:
        scores = tf.matmul(key, query, transpose_b=True)  # [B, H, S, S], keys by queries
        weights = weights_by_key(
            scores,
            input_mask,
            draw.key,
            *documents,
            scale=size**-0.5,
            rate=draw.rate,
            reading=reading,
        )  # [B, H, S, S]
        context = tf.matmul(weights, value, transpose_a=True)  # [B, H, S, K]
    return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, hidden])  # [B·S, D]


@fused
def weights_by_key(
    scores: tf.Tensor,
    input_mask: tf.Tensor,
    key: tf.Tensor,
    document_ids: tf.Tensor | None = None,
    *,
    scale: float,
    rate: float,
    reading: Reading = "both",
) -> tf.Tensor:
    """dropout(softmax(scale · scores)) over the positions that are not padding.

    Keys come before queries, since XLA's reductions on a CPU use vectors only over an axis that is
    not the last one: with keys last this takes half as long again.

    Args:
      scores: [B, H, S, S], keys by queries.
      input_mask: [B, S] integers, 0 for padding.
      key: Three words, see `dropped`.
      document_ids: As of `attend`.
      scale: 1 / √(head size).
      rate: Of dropout.
      reading: As of `attend`.

    Returns:
      [B, H, S, S] in the type of `scores`, keys by queries.
    """
    masked = _of_padding(input_mask)[:, None, :, None]  # [B, 1, S, 1]
    if reading != "both":
        places = tf.range(length_of(input_mask))
        masked = tf.minimum(masked, _unseen(places[:, None], places, reading))  # [B, 1, S, S]
    if document_ids is not None:
        elsewhere = _elsewhere(document_ids[:, :, None], document_ids[:, None])  # [B, S, S]
        masked = tf.minimum(masked, elsewhere[:, None])  # [B, 1, S, S]
    exact = tf.cast(scores, tf.float32) * scale + masked  # [B, H, S, S]
    return tf.cast(dropped(_softmax(exact, axis=2), key, rate), scores.dtype)


@fused
def weights_by_query(
    scores: tf.Tensor,
    input_mask: tf.Tensor,
    key: tf.Tensor,
    first: tf.Tensor,
    document_ids: tf.Tensor | None = None,
    *,
    scale: float,
    rate: float,
    reading: Reading = "both",
) -> tf.Tensor:
    """`weights_by_key` of some queries, with keys last, where a GPU makes one kernel of a softmax.

    Args:
      scores: [B, H, Q, S], queries by keys.
      input_mask: [B, S] integers, 0 for padding.
      key: Three words, see `dropped`.
      first: Which of the S queries is the first one here, int32 scalar.
      document_ids: As of `attend`.
      scale: 1 / √(head size).
      rate: Of dropout.
      reading: As of `attend`.

    Returns:
      [B, H, Q, S] in the type of `scores`, queries by keys.
    """
    masked = _of_padding(input_mask)[:, None, None, :]  # [B, 1, 1, S]
    if reading != "both":
        queries = first + tf.range(length_of(scores, 2))[:, None]  # [Q, 1]
        unseen = _unseen(tf.range(length_of(input_mask)), queries, reading)  # [Q, S]
        masked = tf.minimum(masked, unseen)  # [B, 1, Q, S]
    if document_ids is not None:
        # Fillers behind the last query count as that one.
        places = tf.minimum(first + tf.range(length_of(scores, 2)), length_of(input_mask) - 1)
        of_queries = tf.gather(document_ids, places, axis=1)  # [B, Q]
        elsewhere = _elsewhere(document_ids[:, None], of_queries[:, :, None])  # [B, Q, S]
        masked = tf.minimum(masked, elsewhere[:, None])  # [B, 1, Q, S]
    exact = tf.cast(scores, tf.float32) * scale + masked  # [B, H, Q, S]
    length, batch = length_of(input_mask), length_of(input_mask, 0)
    (_, of_key, of_head, of_row), size = row_major([batch, scores.shape[1], length, length])
    of_query = tf.bitcast(first + tf.range(length_of(scores, 2)), tf.uint32)[:, None]  # [Q, 1]
    places = Places((of_query, of_key[:, 0], of_head, of_row), size)
    return tf.cast(dropped(_softmax(exact, axis=3), key, rate, places), scores.dtype)


def _of_padding(input_mask: tf.Tensor) -> tf.Tensor:
    """What is added to the scores of keys; [B, S] float32."""
    return (1.0 - tf.cast(input_mask, tf.float32)) * _MASKED_SCORE


def _unseen(keys: tf.Tensor, queries: tf.Tensor, reading: Reading) -> tf.Tensor:
    """What is added to the scores of keys where queries do not see them.

    Positions, int32, of shapes that fit each other -> their common shape, float32.
    """
    is_unseen = keys > queries if reading == "ltr" else keys < queries
    return tf.where(is_unseen, _MASKED_SCORE, 0.0)


def _elsewhere(keys: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """What is added to the scores of keys where they are of another document than queries.

    Document ids, int32, of shapes that fit each other -> their common shape, float32.
    """
    return tf.where(keys != queries, _MASKED_SCORE, 0.0)


def _softmax(exact: tf.Tensor, axis: int) -> tf.Tensor:
    highest = tf.stop_gradient(tf.reduce_max(exact, axis=axis, keepdims=True))
    powers = tf.exp(exact - highest)
    return powers / tf.reduce_sum(powers, axis=axis, keepdims=True)


def _of_queries(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    input_mask: tf.Tensor,
    draw: Draw,
    first: tf.Tensor,
    documents: tuple[tf.Tensor, ...],
    reading: Reading,
) -> tf.Tensor:
    """What some queries, `first` and those behind it, take from all keys.

    [B, H, Q, K] and twice [B, H, S, K] -> [B, H, Q, K].
    """
    scores = tf.matmul(query, key, transpose_b=True)  # [B, H, Q, S]
    weights = weights_by_query(
        scores,
        input_mask,
        draw.key,
        first,
        *documents,
        scale=query.shape[-1] ** -0.5,
        rate=draw.rate,
        reading=reading,
    )  # [B, H, Q, S]
    return tf.matmul(weights, value)  # [B, H, Q, K]


def _in_blocks(
    split: tf.Tensor,
    input_mask: tf.Tensor,
    draw: Draw,
    documents: tuple[tf.Tensor, ...],
    reading: Reading,
) -> tf.Tensor:
    """Attention of one block of queries after the other, whose weights are not kept.

    The gradient computes them again. Each block sees all keys, so that no softmax has to be put
    together from parts, and only the gradients of keys and values are sums over blocks, in float32.

    Args:
      split: Queries, keys and values, [B, S, 3, H, K] with S known.
      input_mask: [B, S].
      draw: As of `attend`.
      documents: Their ids, [B, S], or nothing.
      reading: As of `attend`.

    Returns:
      [B, S, H, K].
    """
    _, length, _, heads, size = split.shape
    blocks = -(-length // MOST_QUERIES)
    queries = -(-length // (blocks * _MULTIPLE)) * _MULTIPLE  # Q; the last block is filled up
    query, *others = tf.unstack(split, axis=2)  # each [B, S, H, K]
    filled = tf.pad(query, [[0, 0], [0, blocks * queries - length], [0, 0], [0, 0]])
    cut = tf.reshape(filled, [-1, blocks, queries, heads, size])  # [B, N, Q, H, K]

    @tf.custom_gradient
    def differentiable(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
        def of_block(
            number: tf.Tensor, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
        ) -> tf.Tensor:
            first = number * queries
            return _of_queries(query, key, value, input_mask, draw, first, documents, reading)

        def forward(number: tf.Tensor) -> list[tf.Tensor]:
            return [of_block(number, tf.gather(query, number), key, value)]

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            def backward(number: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
                inputs = [tf.gather(query, number), key, value]
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    output = of_block(number, *inputs)
                first, *parts = tape.gradient(output, inputs, tf.gather(upstream, number))
                pairs = zip(sums, parts, strict=True)
                return [first, *(total + tf.cast(part, tf.float32) for total, part in pairs)]

            # Not tf.zeros: TensorFlow would make a constant of it on the host, for every layer.
            zeros = tf.cast(tf.raw_ops.ZerosLike(x=key), tf.float32)  # [B, H, S, K]
            of_query, *sums = looped(backward, [zeros, zeros], blocks, split.dtype)
            return [of_query, *(tf.cast(total, split.dtype) for total in sums)]

        return looped(forward, [], blocks, split.dtype)[0], gradient

    context = differentiable(
        tf.transpose(cut, [1, 0, 3, 2, 4]),  # [N, B, H, Q, K]
        *(tf.transpose(values, [0, 2, 1, 3]) for values in others),  # each [B, H, S, K]
    )  # [N, B, H, Q, K]
    rows = tf.transpose(context, [1, 0, 3, 2, 4])  # [B, N, Q, H, K]
    return tf.reshape(rows, [-1, blocks * queries, heads, size])[:, :length]


def looped(
    body: Callable[..., list[tf.Tensor]],
    sums: list[tf.Tensor],
    blocks: int | tf.Tensor,
    dtype: tf.DType,
) -> list[tf.Tensor]:
    """Calls a body for one block after the other.

    Args:
      body: Of a block's number and the sums so far; gives an output and the new sums.
      sums: At the start.
      blocks: N.
      dtype: Of the outputs.

    Returns:
      All outputs, [N, …], and the sums.
    """

    def turn(number: tf.Tensor, outputs: tf.TensorArray, *sums: tf.Tensor) -> tuple[Any, ...]:
        output, *new = body(number, *sums)
        return (number + 1, outputs.write(number, output), *new)

    _, outputs, *sums = tf.while_loop(
        lambda number, *_: number < blocks,
        turn,
        (tf.constant(0), tf.TensorArray(dtype, blocks), *sums),
        parallel_iterations=1,
    )
    return [outputs.stack(), *sums]
