"""Texts as ids, as pretraining saw them: the reference's tokenizer with the model's own options.

Shapes: T tokens of a text, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.identity import Kind, TokenizerOptions
from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.pieces import Ids, PieceFinder, Pieces
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import (
    CONTINUATION,
    continuations,
    special_ids,
    vocabulary_text,
)
from electra_cli.files.layout import VOCABULARY_FILE

_AT_ONCE = 2**14


class WordPieceTokenizer:
    """Makes ids of texts; special tokens typed in a text are ordinary characters.

    Args:
      tokens: The vocabulary.
      options: What is done to case and accents.

    Attributes:
      tokens: The vocabulary.
      special: Ids of the special tokens.
      kind: How it makes tokens of words.
      file: What its file is called in the folders that keep it.
    """

    kind: Kind = "wordpiece"
    file = VOCABULARY_FILE

    def __init__(self, tokens: Sequence[str], options: TokenizerOptions) -> None:
        self.tokens = tuple(tokens)
        self.special = special_ids(tokens)
        self._split = WordSplitter(lowercase=options.lowercase, strip_accents=options.strip_accents)
        self._dtype = np.dtype("<u2" if len(tokens) <= 2**16 else "<u4")

    @cached_property
    def begins_word(self) -> npt.NDArray[np.bool_]:
        """Which tokens begin a word instead of continuing one; special tokens do neither; [V]."""
        begins = ~np.array(continuations(self.tokens))  # [V]
        begins[[self.special.pad, self.special.cls, self.special.sep, self.special.mask]] = False
        return begins

    @property
    def content(self) -> bytes:
        """The bytes of its file."""
        return vocabulary_text(self.tokens).encode("utf-8")

    @property
    def texts(self) -> Sequence[str]:
        """What each token stands for where it is shown, `##` before what continues a word; V."""
        return self.tokens

    def ids(self, texts: Sequence[str]) -> Iterator[Ids]:
        """The ids of each text in turn, without [CLS] and [SEP], [T]; many at once are fast."""
        for start in range(0, len(texts), _AT_ONCE):
            for line in self._lines.encode(texts[start : start + _AT_ONCE]).lines:
                yield np.frombuffer(line, self._dtype)  # [T]

    def ids_of_words(self, sentences: Sequence[Sequence[str]]) -> Iterator[list[Ids]]:
        """The ids of each word of each sentence in turn; a word is the same wherever it stands."""
        words = list(dict.fromkeys(word for words in sentences for word in words))
        known = dict(zip(words, self.ids(words), strict=True))
        return ([known[word] for word in words] for words in sentences)

    def pieces(self, text: str) -> Pieces:
        """The ids of a text, and the characters that each stands for."""
        return self._finder(text)

    def text_of(self, ids: Sequence[int]) -> str:
        """The tokens of some ids as a person reads them."""
        return " ".join(self.tokens[i] for i in ids).replace(f" {CONTINUATION}", "")

    @cached_property
    def _lines(self) -> LineEncoder:
        return LineEncoder(
            self.tokens, self._split, "uint16" if self._dtype.itemsize == 2 else "uint32"
        )

    @cached_property
    def _finder(self) -> PieceFinder:
        return PieceFinder(self.tokens, self._split)
