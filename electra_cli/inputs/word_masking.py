"""The order in which positions are masked when words are chosen and not tokens.

Each function returns a priority for every position: those with the largest are masked until the
budget is used up, equal ones from left to right, and a negative one is never masked. Priorities are
functions of (seed, step, example index), as all masks are.

Shapes: B batch, S sequence, W words of a row. No row has more words than positions, so W is S;
places behind the last word of a row are unused.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from electra_cli.inputs import philox

# Streams of random numbers of one example; 0 to 2 are those of masking.py.
WORD_KEYS, SPAN_LENGTHS = 3, 4

# SpanBERT (Joshi et al. 2020, section 3.1): lengths in words, geometric with p = 0.2 and at most
# 10. Longer ones are drawn again, as in the authors' code, so the mean is 3.8.
_LONGEST, _STOP = 10, 0.2
_UP_TO = [(1 - (1 - _STOP) ** n) / (1 - (1 - _STOP) ** _LONGEST) for n in range(_LONGEST)]

Draws = dict[str, tf.Tensor]


class RowWords(NamedTuple):
    """The words of rows.

    Attributes:
      of: The word each position belongs to; means nothing on special tokens and padding. [B, S]
        int32.
      pieces: How many pieces each word has; 0 for places that are unused. [B, W] int32.
      part: Which part of the row each word is in; special tokens divide parts. [B, W] int32.
    """

    of: tf.Tensor
    pieces: tf.Tensor
    part: tf.Tensor


def words_of(candidates: tf.Tensor, word_starts: tf.Tensor) -> RowWords:
    """Finds the words of rows.

    A piece behind a special token begins a word even if its own beginning is in another row.

    Args:
      candidates: Which positions may be masked, 0 or 1; [B, S] int32.
      word_starts: Where words begin; [B, S] bool.
    """
    batch, length = tf.shape(candidates)[0], candidates.shape[1]
    is_first = 1 - tf.pad(candidates[:, :-1], [[0, 0], [1, 0]])  # [B, S]
    begins = candidates * tf.maximum(tf.cast(word_starts, tf.int32), is_first)  # [B, S]
    of = tf.maximum(tf.cumsum(begins, axis=1) - 1, 0)  # [B, S]
    cells = of + tf.range(batch)[:, None] * length  # [B, S]

    def by_word(values: tf.Tensor) -> tf.Tensor:
        sums = tf.math.unsorted_segment_sum(
            tf.reshape(values, [-1]), tf.reshape(cells, [-1]), batch * length
        )  # [B*W]
        return tf.reshape(sums, [batch, length])  # [B, W]

    parts = tf.cumsum(1 - candidates, axis=1)  # [B, S]
    return RowWords(of, by_word(candidates), by_word(parts * begins))


def whole_word_priorities(words: RowWords, wanted: tf.Tensor, draws: Draws) -> tf.Tensor:
    """0 on the pieces of the words to be masked, -1 elsewhere.

    Words come in random order and a word that no longer fits is skipped (google-research/bert,
    create_pretraining_data.py: `create_masked_lm_predictions`). If no word of a row fits, BERT
    masks nothing; here the first in order is masked as far as the budget goes.

    Args:
      words: What `words_of` returned.
      wanted: The number of positions to be masked, at least 1; [B] int32.
      draws: seed, step and examples.

    Returns:
      [B, S] int32.
    """
    order = tf.argsort(_keys(words, draws), direction="DESCENDING", stable=True)  # [B, W]
    sizes = tf.gather(words.pieces, order, batch_dims=1)  # [B, W]
    budget = wanted[:, None]  # [B, 1]
    # Unused places are too large for any budget.
    sizes = tf.where(sizes > 0, sizes, sizes.dtype.max)
    some_fit = tf.reduce_any(sizes <= budget, axis=1, keepdims=True)  # [B, 1]
    cut = tf.where(sizes < sizes.dtype.max, tf.minimum(sizes, budget), sizes)  # [B, W]
    taken = _take_in_order(tf.where(some_fit, sizes, cut), wanted)  # [B, W]
    taken = tf.gather(taken, tf.argsort(order), batch_dims=1)  # [B, W], by word again
    return tf.cast(tf.gather(taken, words.of, batch_dims=1), tf.int32) - 1  # [B, S]


def _take_in_order(sizes: tf.Tensor, budget: tf.Tensor) -> tf.Tensor:
    """Takes what fits, first come, first served; [B, W] and [B] -> [B, W] bool.

    Each turn takes all up to the first that does not fit. That one and all as large are skipped
    for good, so there is at most one turn more than there are different sizes.
    """

    def fitting(taken: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
        return ~taken & (sizes <= left[:, None])  # [B, W]

    def turn(taken: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        open_sizes = tf.where(fitting(taken, left), sizes, 0)  # [B, W]
        together = tf.cumsum(open_sizes, axis=1)  # [B, W]
        new = (open_sizes > 0) & (together <= left[:, None])  # [B, W]
        return taken | new, left - tf.reduce_sum(tf.where(new, sizes, 0), axis=1)

    return tf.while_loop(
        lambda taken, left: tf.reduce_any(fitting(taken, left)),
        turn,
        (tf.zeros_like(sizes, tf.bool), budget),
    )[0]


def span_priorities(words: RowWords, draws: Draws) -> tf.Tensor:
    """The key of the first span that reaches a position.

    Each word gets a key and a length. Spans come by descending keys and end where their part of
    the row does. A span whose first word an earlier one reaches is left out, where the authors'
    code asks whether that word is masked already: the two differ if the earlier one was itself
    left out. The last span is cut where the budget ends, as in their code.

    Args:
      words: What `words_of` returned.
      draws: seed, step and examples.

    Returns:
      [B, S] int32, at least 0.
    """
    keys = _keys(words, draws)  # [B, W]
    bits = philox.random_bits(**draws, stream=SPAN_LENGTHS, count=keys.shape[1])  # [B, W]
    lengths = philox.uniform(bits)  # [B, W], where in the distribution of lengths
    keys = tf.where(_largest_reaching(keys, lengths, words.part) == keys, keys, -1)
    reaching = _largest_reaching(keys, lengths, words.part)  # [B, W]
    # Words that no span reaches follow behind all others; only large budgets come to them.
    return tf.gather(tf.maximum(reaching, 0), words.of, batch_dims=1)  # [B, S]


def _largest_reaching(keys: tf.Tensor, lengths: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """The largest key of a span over each word, -1 if there is none; all [B, W]."""
    words = keys.shape[1]

    def before(values: tf.Tensor, distance: int) -> tf.Tensor:
        padded = tf.pad(values, [[0, 0], [_LONGEST, 0]], constant_values=-1)  # [B, 10+W]
        return padded[:, _LONGEST - distance :][:, :words]  # [B, W]

    largest = tf.fill(tf.shape(keys), -1)  # [B, W]
    for distance, up_to in enumerate(_UP_TO):
        reaches = before(lengths, distance) >= up_to  # [B, W], longer than the distance
        reaches &= before(part, distance) == part
        largest = tf.maximum(largest, tf.where(reaches, before(keys, distance), -1))
    return largest


def _keys(words: RowWords, draws: Draws) -> tf.Tensor:
    """A random integer for each word, -1 for unused places; [B, W] int32."""
    bits = philox.random_bits(**draws, stream=WORD_KEYS, count=words.pieces.shape[1])  # [B, W]
    return tf.where(words.pieces > 0, philox.integer(bits), -1)
