"""The tokenizer as TensorFlow operations, for models that take text.

The steps are those of corpus/wordpiece/tokenizer.py, and so is what each character is. TensorFlow's
own lower-casing is not used since it goes by the locale of the process: a Turkish one makes another
letter of I. `tensorflow_text.BertTokenizer` is not either: it folds case instead of lower-casing,
ties lower-casing to the stripping of accents, turns control characters into spaces, and measures
the longest word in bytes; its word piece operation is.

Shapes: B texts, C characters, W words, P word pieces; the last three ragged. S positions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.tokenizer import MAX_CHARACTERS_PER_WORD
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, UNK, SpecialIds
from electra_cli.export.formats import character_classes

_MAX_BYTES_PER_CHARACTER = 4


class InGraphTokenizer(tf.Module):
    """Text to ids, in a graph.

    Args:
      vocab: The vocabulary's file; it becomes an asset of a SavedModel.
      options: Whether to lower-case and to strip accents.
      special_ids: Ids of the special tokens.
      max_length: Positions that a row may have, [CLS] and [SEP] included.
    """

    def __init__(
        self, vocab: Path, options: TokenizerOptions, special_ids: SpecialIds, max_length: int
    ) -> None:
        super().__init__()
        lines = tf.lookup.TextFileInitializer(
            str(vocab),
            key_dtype=tf.string,
            key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self._table = tf.lookup.StaticHashTable(lines, default_value=-1)
        self._word_pieces = tf_text.WordpieceTokenizer(
            self._table,
            suffix_indicator=CONTINUATION,
            max_bytes_per_word=MAX_CHARACTERS_PER_WORD * _MAX_BYTES_PER_CHARACTER,
            token_out_type=tf.int32,
            unknown_token=UNK,
        )
        self._options = options
        self._ids = special_ids
        self._max_length = max_length

    def __call__(self, texts: tf.Tensor, seconds: tf.Tensor | None = None) -> tf.Tensor:
        """Makes rows of texts or of pairs, cut as in `finetuning.features.sequences`.

        Args:
          texts: [B] strings.
          seconds: The second texts, [B] strings; None for none.

        Returns:
          [B, S] int32: [CLS], the word pieces, [SEP], those of a second text that has any with a
          [SEP] of their own, padding.
        """
        first = self._pieces(texts)  # [B, P]
        second = first[:, :0] if seconds is None else self._pieces(seconds)  # [B, P]
        size, other = first.row_lengths(), second.row_lengths()  # [B] each
        is_pair = tf.cast(other > 0, size.dtype)  # [B]
        room = self._max_length - 2 - is_pair  # [B]
        first = _shortened(first, tf.maximum(room - other, (room + 1) // 2))
        second = _shortened(second, tf.maximum(room - size, room // 2))
        edge = tf.ones_like(first[:, :0].to_tensor(shape=[None, 1]), tf.int32)  # [B, 1]
        last = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(is_pair)], self._ids.sep), is_pair
        )  # [B, 0 or 1]
        rows = tf.concat([edge * self._ids.cls, first, edge * self._ids.sep, second, last], axis=1)
        # No texts have positions too: what has none in any direction has no shape to keep.
        width = tf.maximum(rows.bounding_shape(axis=1), 2)
        return rows.to_tensor(self._ids.pad, shape=tf.stack([-1, width]))  # [B, S]

    def _pieces(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """[B] -> [B, P] int32."""
        words = self._words(texts)  # [B, W]
        length = tf.strings.length(words.flat_values, unit="UTF8_CHAR")
        words = words.with_flat_values(
            tf.where(length > MAX_CHARACTERS_PER_WORD, UNK, words.flat_values)
        )
        return self._word_pieces.tokenize(words).merge_dims(-2, -1)  # [B, P]

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """[B] -> [B, W]: cleaned, normalised and split at space, punctuation and ideographs."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        texts = tf.strings.regex_replace(texts, character_classes.removed(), "")
        texts = tf.strings.regex_replace(texts, character_classes.spaces(), " ")
        if self._options.lowercase:
            texts = _lower(texts)
        if self._options.strip_accents:
            texts = tf_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, character_classes.accents(), "")
        texts = tf.strings.regex_replace(texts, character_classes.pieces(), r" \0 ")
        return tf.strings.split(texts)


def _shortened(pieces: tf.RaggedTensor, keep: tf.Tensor) -> tf.RaggedTensor:
    """The first word pieces of each text; [B, P] and [B] -> [B, P]."""
    places = tf.ragged.range(pieces.row_lengths())  # [B, P]
    return tf.ragged.boolean_mask(pieces, places < keep[:, None])  # [B, P]


def _lower(texts: tf.Tensor) -> tf.Tensor:
    """[B] -> [B], as Python's `str.lower` does it in every locale."""
    cased, ignored = character_classes.final_sigma()
    other = f"[^{cased[1:-1]}{ignored[1:-1]}]"
    texts = tf.strings.regex_replace(
        texts, f"({cased}{ignored}*)Σ({ignored}*(?:{other}|$))", r"\1ς\2"
    )
    table = {}
    for character, lowered in character_classes.lowered().items():
        if len(lowered) == 1:
            table[ord(character)] = ord(lowered)
        else:
            texts = tf.strings.regex_replace(texts, character, lowered)
    capitals, smalls = (np.array(codes, np.int32) for codes in (list(table), [*table.values()]))
    characters = tf.strings.unicode_decode(texts, "UTF-8")  # [B, C]
    codes = characters.flat_values
    place = tf.minimum(tf.searchsorted(capitals, codes), len(capitals) - 1)
    codes = tf.where(tf.gather(capitals, place) == codes, tf.gather(smalls, place), codes)
    return tf.strings.unicode_encode(characters.with_flat_values(codes), "UTF-8")
