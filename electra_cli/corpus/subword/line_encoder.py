"""Encodes lines with a tokenizer of the library, and says of each token whether a word begins.

Shapes: T tokens of a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from electra_cli.corpus.subword.library import LibraryTokenizer, batches
from electra_cli.corpus.wordpiece.line_encoder import EncodedLines
from electra_cli.corpus.wordpiece.tokenizer import split_words
from electra_cli.corpus.wordpiece.vocabulary import BEGINS_WORD

# Characters; longer lines are cut, since the library takes some three hundred bytes for each.
_LONGEST_LINE = 2**17


class LibraryLineEncoder:
    """Encodes lines; an id takes 32 bits and is raised by `BEGINS_WORD` where a word begins.

    Args:
      tokenizer: Of the library.
      longest_line: Longer lines are cut at white space, or within a word that is longer still,
        where the pieces may be others than those of the whole line.

    Attributes:
      itemsize: Bytes of an id.
    """

    itemsize = 4

    def __init__(self, tokenizer: LibraryTokenizer, *, longest_line: int = _LONGEST_LINE) -> None:
        self._tokenizer = tokenizer
        self._longest_line = longest_line

    def encode(self, lines: Sequence[str]) -> EncodedLines:
        """Encodes lines, which hold no line end."""
        unknown_words: list[str] = []
        unknown_tokens = 0
        ids: list[list[bytes]] = [[] for _ in lines]
        parts = [(n, part) for n, line in enumerate(lines) for part in self._parts(line)]
        texts = [part for _, part in parts]
        encoded = (one for batch in batches(texts) for one in self._tokenizer.encoded(batch))
        for (number, text), found in zip(parts, encoded, strict=True):
            own = np.array(found.ids, np.uint32)  # [T]
            unknown = np.flatnonzero(own == self._unknown)
            unknown_tokens += len(unknown)
            unknown_words += _words_at(text, [found.offsets[place][0] for place in unknown])
            own[self._tokenizer.word_starts(found)] += BEGINS_WORD
            ids[number].append(own.astype("<u4").tobytes())
        words = accumulate(len(split_words(line)) for line in lines)
        return EncodedLines(
            [b"".join(own) for own in ids], list(words), unknown_tokens, unknown_words
        )

    @property
    def _unknown(self) -> int:
        unk = self._tokenizer.special.unk
        return -1 if unk is None else unk

    def _parts(self, line: str) -> Iterator[str]:
        start = 0
        while len(line) - start > self._longest_line:
            end = start + self._longest_line
            space = last = line.rfind(" ", start + 1, end)
            # Of several spaces some files make one: where it can be, a cut is at a single one.
            while space > 0 and " " in (line[space - 1], line[space + 1]):
                space = line.rfind(" ", start + 1, space)
            space = last if space < 0 else space
            if space < 0:
                yield line[start:end]
                start = end
            else:
                yield line[start:space]
                start = space + (not self._tokenizer.keeps_space)
        yield line[start:]


def _words_at(text: str, places: Sequence[Any]) -> list[str]:
    """The white-space words around some characters, each once for those in a row."""
    words = []
    last = -1  # behind the newest word
    for place in places:
        if place < last:
            continue
        begin = place
        while begin < len(text) and text[begin].isspace():
            begin += 1
        end = begin
        while begin > 0 and not text[begin - 1].isspace():
            begin -= 1
        while end < len(text) and not text[end].isspace():
            end += 1
        words.append(text[begin:end])
        last = end
    return words
