"""Word pieces of a text with the characters that each stands for.

Shapes: T tokens of a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.tokenizer import WordEncoder, WordSplitter, is_accent
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, UNK

# A word as `split_words` finds it: what the tokenizer removes does not separate.
_WORD = re.compile("(?:\\S|[\x0b\x0c\x1c-\x1f\x85])+")
_LONGEST_KEPT = 64  # characters; longer words are rare
_MOST_KEPT = 2**18  # words

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Pieces:
    """The tokens of a text.

    Attributes:
      ids: [T] int32.
      begins: The first character of each in the text, [T].
      ends: The character behind each, [T].
    """

    ids: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


_Word = tuple[list[int], list[int], list[int]]  # ids, and begins and ends within the word


class PieceFinder:
    """Finds the pieces of texts, and remembers those of words.

    A character may become none (a control character), another, or several (Hangul, whose letters
    are taken apart where accents are stripped). A piece stands for all characters that any part of
    it came from, and for the accents that follow them.

    Args:
      tokens: The vocabulary.
      split: Normalises a word and splits it.
    """

    def __init__(self, tokens: Sequence[str], split: WordSplitter) -> None:
        self._split = split
        self._encode = WordEncoder(tokens, split, "uint32").encode
        self._unk = tokens.index(UNK)
        self._lengths = [len(token.removeprefix(CONTINUATION)) for token in tokens]
        self._words: dict[str, _Word] = {}

    def __call__(self, text: str) -> Pieces:
        """Returns the pieces of a text."""
        ids: list[int] = []
        begins: list[int] = []
        ends: list[int] = []
        known = self._words
        for match in _WORD.finditer(text):
            word, at = match.group(), match.start()
            found = known.get(word)
            if found is None:
                found = self._learn(word)
            ids += found[0]
            begins += [at + begin for begin in found[1]]
            ends += [at + end for end in found[2]]
        return Pieces(
            np.array(ids, np.int32), np.array(begins, np.int64), np.array(ends, np.int64)
        )  # [T] each

    def _learn(self, word: str) -> _Word:
        found = self._find(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self._words) >= _MOST_KEPT:
                self._words.clear()
            self._words[word] = found
        return found

    def _find(self, word: str) -> _Word:
        origins = self._origins(word)
        ids: list[int] = []
        bounds = [0]  # among the characters that are left of the word
        for part in self._split(word):
            found = np.frombuffer(self._encode(part), "<u4").tolist()
            ids += found
            whole = found == [self._unk]
            lengths = [len(part)] if whole else [self._lengths[piece] for piece in found]
            bounds += [bounds[-1] + length for length in accumulate(lengths)]
        begins = [origins[bound] for bound in bounds[:-1]]
        ends = [self._behind_accents(word, origins[bound - 1] + 1) for bound in bounds[1:]]
        return ids, begins, ends

    def _origins(self, word: str) -> Sequence[int]:
        """Which character of the word each character that is left of it came from."""
        if word.isascii() and word.isprintable():
            return range(len(word))
        return [
            place
            for place, character in enumerate(word)
            for _ in range(sum(map(len, self._split(character))))
        ]

    def _behind_accents(self, word: str, end: int) -> int:
        while end < len(word) and is_accent(word[end]) and not self._split(word[end]):
            end += 1
        return end
