"""Words of a text as a tokenizer will see them, and how often each comes, in bounded memory.

Shapes: T words of a stretch of text, N different words that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.line_encoder import WordIds
from electra_cli.corpus.wordpiece.tokenizer import MAX_CHARACTERS_PER_WORD

# What a word takes besides its characters, in characters.
_WORD_COSTS = 16
_BATCH_CHARACTERS = 2**18

Words = tuple[list[str], npt.NDArray[np.int64]]  # different ones, and how often each came; [N]


class WordCounter:
    """Counts the words of texts; what it has met stays known for the texts that follow.

    Words are numbered as they are met, and found as ids are: as arrays, through a cache.

    Args:
      split: Normalises a white-space word and splits it.
      held: Different words that are held at a time, in characters, each with `_WORD_COSTS` more.
        Twice as many may be known.
      cuts: Whether ideographs are words of their own.
      limits: What else `WordIds` takes.
    """

    def __init__(
        self,
        split: Callable[[str], Iterable[list[str]]],
        held: int = 2**22,
        *,
        cuts: bool = True,
        **limits: int,
    ) -> None:
        self._split = split
        self._held = held
        self._ids = WordIds(self._number, "uint32", cuts=cuts, **limits)
        self._numbers = _Numbers()
        self._costs = self._counts = np.zeros(0, np.int64)

    def count(self, documents: Iterable[Sequence[str]]) -> Iterator[Words]:
        """Counts the words of documents.

        Args:
          documents: The lines of each.

        Yields:
          Words and counts, whenever so many are held, and at the end. They depend on the documents
          alone, but for the order of the words. A word may come in several of these.
        """
        self._counts[:] = 0
        self._forget_if_full()
        for lines in _batches(documents):
            for numbers in self._ids.of(lines):  # [T]
                self._add(numbers)
                if self._costs @ (self._counts > 0) > self._held:
                    yield self._take()
                    self._forget_if_full()
        if self._counts.any():
            yield self._take()

    def _number(self, word: str) -> bytes:
        """The numbers of the words that a white-space word is split into."""
        numbers = self._numbers
        return b"".join(
            [
                numbers[part]
                for parts in self._split(word)
                for part in parts
                if len(part) <= MAX_CHARACTERS_PER_WORD
            ]
        )

    def _add(self, numbers: npt.NDArray[np.uint32]) -> None:
        words, known = self._numbers.words, len(self._costs)
        if len(words) > known:
            lengths = np.fromiter(map(len, words[known:]), np.int64)
            self._costs = np.concatenate((self._costs, lengths + _WORD_COSTS))  # [N]
            self._counts = np.concatenate((self._counts, np.zeros_like(lengths)))  # [N]
        self._counts += np.bincount(numbers, minlength=len(words))  # [N]

    def _take(self) -> Words:
        (numbers,) = np.nonzero(self._counts)
        found = [self._numbers.words[number] for number in numbers.tolist()], self._counts[numbers]
        self._counts[:] = 0
        return found

    def _forget_if_full(self) -> None:
        """Makes room for what is going to be counted; nothing is counted yet."""
        if self._costs.sum() > self._held:
            self._ids.clear()
            self._numbers = _Numbers()
            self._costs = self._counts = np.zeros(0, np.int64)


class _Numbers(dict[str, bytes]):
    """The number of each word, as an id is stored; a word that is new gets the next."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def __missing__(self, word: str) -> bytes:
        number = self[word] = len(self.words).to_bytes(4, "little")
        self.words.append(word)
        return number


def _batches(documents: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Lines of small documents together."""
    batch: list[str] = []
    characters = 0
    for document in documents:
        batch += document
        characters += sum(map(len, document))
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    yield batch
