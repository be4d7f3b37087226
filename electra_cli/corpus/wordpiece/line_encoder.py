"""Encodes many lines at once through a bounded cache from word to ids.

The reference's tokenizer looks at nothing beyond a white-space word, nor beyond an ideograph, so
the ids are the same. Words are found, cut into parts around ideographs, looked up and replaced by
their ids as arrays; only a part that the cache does not hold becomes a Python object.

Shapes: P parts of words, C of which continue a word, and T tokens of a stretch of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.wordpiece.tokenizer import WordEncoder, WordSplitter, split_words
from electra_cli.corpus.wordpiece.vocabulary import UNK
from electra_cli.corpus.wordpiece.word_cache import (
    LONGEST_WORD,
    PADDING,
    WordCache,
    find_cuts,
    find_parts,
    word_keys,
)

_LONGEST_KEPT = 64  # very long words are rare, and never kept

_SEPARATOR = re.compile(b"[ \n]")
_LINE_END = ord("\n")

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EncodedLines:
    """Lines as ids.

    Attributes:
      lines: The ids of each line, little-endian; raised by `BEGINS_WORD` where
        no table of ids says which begin a word.
      words: White-space words up to the end of each line.
      unknown_tokens: How often [UNK] stands among the ids.
      unknown_words: The white-space words that it stands for, each as often as it comes.
    """

    lines: list[bytes]
    words: list[int]
    unknown_tokens: int
    unknown_words: list[str]


class WordIds:
    """Finds the ids of all words of a text; ids stay arrays, no number becomes a Python object.

    Args:
      encode_word: Returns the ids of a white-space word, little-endian, each time the same ones; it
        is asked about parts of words (`find_parts`), which together have the ids of the whole.
      dtype: Type of an id.
      cuts: Whether that is so; else it is asked about whole words.
      stretch_bytes: Text taken at once; thirty times as much memory is needed meanwhile if all
        words are single letters.
      most_ids: The cache begins anew when it holds more.
      most_long_words: Words that only a dictionary can hold, which begins anew when it holds more.
      slot_bits: Size of the cache of words, see `WordCache`.

    Attributes:
      itemsize: Bytes of an id.
    """

    def __init__(
        self,
        encode_word: Callable[[str], bytes],
        dtype: Literal["uint16", "uint32"],
        *,
        cuts: bool = True,
        stretch_bytes: int = 2**18,
        most_ids: int = 2**21,
        most_long_words: int = 2**16,
        slot_bits: int = 20,
    ) -> None:
        self._cuts, self._stretch_bytes = cuts, stretch_bytes
        self._most_ids, self._most_long_words = most_ids, most_long_words
        self._encode_word = encode_word
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self.itemsize = self._dtype.itemsize
        # A word's value is where its ids begin in `_ids`, times 256, and how many they are.
        self._cache = WordCache(slot_bits)
        self._long_words: dict[bytes, int] = {}  # the same for words that the cache cannot hold
        self._ids: npt.NDArray[Any] = np.empty(most_ids, self._dtype)
        self._used = 0

    def of(self, lines: Sequence[str]) -> Iterator[npt.NDArray[Any]]:
        """The ids of lines, which hold no line end, as arrays that end with any part; [T] each."""
        text = _joined(lines)
        for start, stop in _stretches(text, self._stretch_bytes, cuts=self._cuts):
            yield self._encode_stretch(text, start, stop).ids

    def clear(self) -> None:
        """Forgets all words."""
        self._cache.clear()
        self._long_words.clear()
        self._used = 0

    def _encode_stretch(self, text: bytes, start: int, stop: int) -> _EncodedStretch:
        octets = np.frombuffer(text, np.uint8, stop + 1 - start, start)
        found = find_parts(octets, cuts=self._cuts)
        begins, ends, continuing = (places + start for places in found)  # [P] [P] [C]
        firsts, counts = self._find_ids(text, begins, ends)  # [P], [P]
        token_ends = np.cumsum(counts)  # [P]
        # The ids of a part stand in a row, there as here.
        places = np.repeat(firsts - (token_ends - counts), counts)  # [T]
        places += np.arange(len(places))
        line_ends = np.flatnonzero(octets[1:] == _LINE_END) + start + 1
        line_parts = np.searchsorted(begins, line_ends)
        return _EncodedStretch(
            begins=begins,
            words=len(begins) - len(continuing),
            ids=self._ids[places],  # [T]
            token_ends=token_ends,
            line_words=line_parts - np.searchsorted(continuing, line_ends),
            line_tokens=np.concatenate(([0], token_ends))[line_parts],
        )

    def _find_ids(self, text: bytes, begins: _Ints, ends: _Ints) -> tuple[_Ints, _Ints]:
        """Where in `_ids` the ids of each part begin, and how many they are; both [P]."""
        if self._used > self._most_ids:
            self.clear()
        if len(self._long_words) > self._most_long_words:
            self._long_words.clear()
        lengths = ends - begins
        heads, tails = word_keys(text, begins, lengths)  # [P], [P]
        values, known = self._cache.find(heads, tails)  # [P], [P]
        short = lengths <= LONGEST_WORD
        firsts, counts = values >> 8, values & 255
        (others,) = np.nonzero(~(known & short))
        if len(others):
            bounds = zip(begins[others].tolist(), ends[others].tolist(), strict=True)
            words = [text[begin:end] for begin, end in bounds]
            firsts[others], counts[others] = self._learn(words)
            kept = others[short[others]]
            self._cache.add(heads[kept], tails[kept], firsts[kept] << 8 | counts[kept])
        return firsts, counts

    def _learn(self, words: list[bytes]) -> tuple[_Ints, _Ints]:
        """Finds long words, and adds the ids of all others to `_ids`."""
        place: dict[bytes, tuple[int, int]] = {}
        added: list[bytes] = []
        for word in dict.fromkeys(words):
            value = self._long_words.get(word)
            if value is None:
                ids = self._encode_word(word.decode("utf-8"))
                count = len(ids) // self.itemsize
                place[word] = self._used, count
                if LONGEST_WORD < len(word) <= _LONGEST_KEPT:
                    self._long_words[word] = self._used << 8 | count
                self._used += count
                added.append(ids)
            else:
                place[word] = value >> 8, value & 255
        new = np.frombuffer(b"".join(added), self._dtype)
        if self._used > len(self._ids):
            self._ids = np.resize(self._ids, 2 * self._used)
        self._ids[self._used - len(new) : self._used] = new
        found = np.array([place[word] for word in words], np.int64)  # [words, 2]
        return found[:, 0], found[:, 1]


class LineEncoder(WordIds):
    """Encodes lines.

    Args:
      tokens: The vocabulary.
      split: Normalises a word and splits it.
      dtype: Type of an id.
      limits: What else `WordIds` takes.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        split: WordSplitter,
        dtype: Literal["uint16", "uint32"],
        **limits: int,
    ) -> None:
        super().__init__(WordEncoder(tokens, split, dtype).encode, dtype, cuts=True, **limits)
        self._unk = tokens.index(UNK)

    def encode(self, lines: Sequence[str]) -> EncodedLines:
        """Encodes lines, which hold no line end."""
        text = _joined(lines)
        ids: list[bytes] = []
        line_ends: list[int] = [0]
        word_ends: list[int] = []
        unknown_parts: list[int] = []
        tokens = words = unknown_tokens = 0
        for start, stop in _stretches(text, self._stretch_bytes):
            stretch = self._encode_stretch(text, start, stop)
            ids.append(stretch.ids.tobytes())
            line_ends += (stretch.line_tokens + tokens).tolist()
            word_ends += (stretch.line_words + words).tolist()
            tokens += len(stretch.ids)
            words += stretch.words
            unknown = np.flatnonzero(stretch.ids == self._unk)
            unknown_tokens += len(unknown)
            parts = np.searchsorted(stretch.token_ends, unknown, side="right")
            unknown_parts += stretch.begins[parts].tolist()
        whole = b"".join(ids)
        bounds = [self.itemsize * end for end in line_ends]
        return EncodedLines(
            [whole[start:end] for start, end in pairwise(bounds)],
            word_ends,
            unknown_tokens,
            list(_words_around(text, unknown_parts)),
        )


@dataclass(frozen=True)
class _EncodedStretch:
    """Parts of words, and their ids: begins and token_ends [P], ids [T], and two of each line."""

    begins: _Ints
    words: int
    ids: npt.NDArray[Any]
    token_ends: _Ints
    line_words: _Ints
    line_tokens: _Ints


def _joined(lines: Sequence[str]) -> bytes:
    """Lines in UTF-8 between line ends, with spaces for all white space."""
    # The only white space that is printable is the space.
    plain = [x if x.isprintable() else " ".join(split_words(x)) for x in lines]
    return "\n".join(["", *plain, ""]).encode("utf-8") + PADDING


def _stretches(text: bytes, size: int, *, cuts: bool = True) -> Iterator[tuple[int, int]]:
    """Divides a text at separators, each of which ends a stretch and begins the next.

    Where there is none for long, it is divided where a word may be cut: one byte of the part beside
    stands for the separator.
    """
    start, last = 0, len(text) - len(PADDING) - 1
    while start < last:
        stop, reach = -1, size
        while stop < 0:
            end = min(start + reach, last) + 1
            stop = max(text.rfind(b"\n", start + 1, end), text.rfind(b" ", start + 1, end))
            if stop < 0 and cuts:
                places = find_cuts(np.frombuffer(text, np.uint8, end - start, start))
                stop = start + int(places[-1]) if len(places) else -1
            reach *= 2
        yield start, stop
        start = stop if _SEPARATOR.match(text, stop) else stop - 1


def _words_around(text: bytes, places: Iterable[int]) -> Iterator[str]:
    """The white-space words in which some places of a text lie, each once; the places ascend."""
    end = 0
    for place in places:
        if place >= end:
            begin = max(text.rfind(b" ", end, place), text.rfind(b"\n", end, place)) + 1
            found = _SEPARATOR.search(text, place)
            assert found  # the text ends with one
            end = found.start()
            yield text[begin:end].decode("utf-8")
