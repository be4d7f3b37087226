"""Texts as ids, as pretraining saw them: the reference's tokenizer with the model's own options.

Shapes: T tokens of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary import special_ids
from electra_cli.finetuning.features.pieces import Ids, PieceFinder, Pieces

_AT_ONCE = 2**14


class TextTokenizer:
    """Makes ids of texts; special tokens typed in a text are ordinary characters.

    Args:
      tokens: The vocabulary.
      options: What is done to case and accents.

    Attributes:
      tokens: The vocabulary.
      special: Ids of the special tokens.
    """

    def __init__(self, tokens: Sequence[str], options: TokenizerOptions) -> None:
        self.tokens = tuple(tokens)
        self.special = special_ids(tokens)
        self._split = WordSplitter(lowercase=options.lowercase, strip_accents=options.strip_accents)
        self._dtype = np.dtype("<u2" if len(tokens) <= 2**16 else "<u4")
        self._lines = LineEncoder(
            tokens, self._split, "uint16" if self._dtype.itemsize == 2 else "uint32"
        )
        self._finder: PieceFinder | None = None

    def ids(self, text: str) -> list[int]:
        """The ids of a text, or of a word, without [CLS] and [SEP]."""
        return next(self.many([text])).tolist()

    def many(self, texts: Sequence[str]) -> Iterator[Ids]:
        """The ids of each text in turn, [T]; many times as fast as one by one."""
        for start in range(0, len(texts), _AT_ONCE):
            for line in self._lines.encode(texts[start : start + _AT_ONCE]).lines:
                yield np.frombuffer(line, self._dtype)  # [T]

    def pieces(self, text: str) -> Pieces:
        """The ids of a text, and the characters that each stands for."""
        if self._finder is None:
            self._finder = PieceFinder(self.tokens, self._split)
        return self._finder(text)
