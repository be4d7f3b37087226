"""The tokenizer as TensorFlow operations, for models that take text.

The steps are those of corpus/tokenizer.py. `tensorflow_text.BertTokenizer` is not used since it
folds case instead of lower-casing, ties lower-casing to the stripping of accents, turns control
characters into spaces, and measures the longest word in bytes; its word piece operation is.

Shapes: B texts, W words, P word pieces; the last two ragged. S positions.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from electra_cli.corpus.manifest import SpecialIds, TokenizerOptions
from electra_cli.corpus.tokenizer import MAX_CHARACTERS_PER_WORD
from electra_cli.corpus.vocabulary import CONTINUATION, UNK

# Regular expressions of RE2. What is no letter, mark, number, punctuation, symbol or separator is a
# control, private or unassigned character; of those, tab and line ends count as white space.
_REMOVED = r"[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\t\n\r]|\x{FFFD}"
_SPACE = r"[ \t\n\r\p{Z}]+"
_PUNCTUATION = r"[!-/:-@\[-`{-~]|\p{P}"
_CJK = (
    r"[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]"
)
_MAX_BYTES_PER_CHARACTER = 4


class InGraphTokenizer(tf.Module):
    """Text to ids, in a graph.

    Args:
      vocab: The vocabulary's file; it becomes an asset of a SavedModel.
      options: Whether to lower-case and to strip accents.
      special_ids: Ids of the special tokens.
      max_length: Positions that a text may take, [CLS] and [SEP] included.
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

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """[B] strings -> [B, S] int32: [CLS], the word pieces, [SEP], padding."""
        words = self._words(texts)  # [B, W]
        length = tf.strings.length(words.flat_values, unit="UTF8_CHAR")
        words = words.with_flat_values(
            tf.where(length > MAX_CHARACTERS_PER_WORD, UNK, words.flat_values)
        )
        pieces = self._word_pieces.tokenize(words).merge_dims(-2, -1)  # [B, P]
        pieces = pieces[:, : self._max_length - 2]
        edge = tf.ones_like(pieces[:, :0].to_tensor(shape=[None, 1]), tf.int32)  # [B, 1]
        rows = tf.concat([edge * self._ids.cls, pieces, edge * self._ids.sep], axis=1)
        return rows.to_tensor(default_value=self._ids.pad)  # [B, S]

    def _words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """[B] -> [B, W]: cleaned, normalised and split at space, punctuation and ideographs."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore")
        texts = tf.strings.regex_replace(texts, _REMOVED, "")
        texts = tf.strings.regex_replace(texts, _CJK, r" \0 ")  # before accents are taken apart
        if self._options.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        if self._options.strip_accents:
            texts = tf_text.normalize_utf8(texts, "NFD")
            texts = tf.strings.regex_replace(texts, r"\p{Mn}", "")
        return tf_text.regex_split(texts, f"{_SPACE}|{_PUNCTUATION}", _PUNCTUATION)
