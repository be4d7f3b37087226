"""The reference's tokenizer: google-research/electra, model/tokenization.py.

Lower-casing and stripping of accents are apart from each other here. What a character is, Python's
`unicodedata` says, as there. Other libraries bring tables of other versions of Unicode, so none of
them is asked, and the rules of exported tokenizers are made from the three questions below.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, UNK

MAX_CHARACTERS_PER_WORD = 200

# `str.split` splits at these, the reference removes them and so joins what they separate.
_REMOVED_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85]")

_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)

# Words of these characters alone, which are most, are lowered and split faster than all others.
_PLAIN = "!-~\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
_NOT_PLAIN = re.compile(f"[^{_PLAIN}]")
_PLAIN_PIECES = re.compile(f"[A-Za-z0-9]+|[{_PLAIN}]")

# Characters of a word that tell how long the tokens may be that it begins with.
_KEY = 3
_SHORT = (2, 1)


def is_removed(character: str) -> bool:
    """Whether a character is left out: controls, format characters and unassigned ones."""
    if character == "\ufffd":
        return True
    return unicodedata.category(character)[0] == "C" and character not in "\t\n\r"


def is_accent(character: str) -> bool:
    """Whether a character is left out where accents are stripped, once letters are decomposed."""
    return unicodedata.category(character) == "Mn"


def is_piece(character: str) -> bool:
    """Whether a character is a word of its own: punctuation, a symbol of ASCII, an ideograph."""
    if character.isascii():
        return "!" <= character <= "~" and not character.isalnum()
    code = ord(character)
    return unicodedata.category(character)[0] == "P" or any(
        first <= code <= last for first, last in _IDEOGRAPHS
    )


def split_words(text: str) -> list[str]:
    """Splits at white space exactly where the reference does; words are not yet normalised."""
    # What is printable holds no separator; asking is several times as fast as searching.
    if not text.isprintable() and _REMOVED_SEPARATORS.search(text):
        text = _REMOVED_SEPARATORS.sub("", text)
    return text.split()


class _Table(dict[int, str]):
    """For `str.translate`: what a character becomes, asked once for each that comes."""

    def __init__(self, become: Callable[[str], str]) -> None:
        super().__init__()
        self._become = become

    def __missing__(self, code: int) -> str:
        found = self[code] = self._become(chr(code))
        return found


class WordSplitter:
    """Normalises one white-space word, and splits it at punctuation and ideographs.

    Args:
      lowercase: Lower-case the word.
      strip_accents: Remove accents, also where case is kept.
      at_once: Longer words are split part by part: pieces take some hundred times the memory of a
        word, and sorting accents in a row takes a square of the time.
    """

    def __init__(self, *, lowercase: bool, strip_accents: bool, at_once: int = 2**10) -> None:
        self.at_once = at_once
        self._lowercase = lowercase
        self._strip_accents = strip_accents
        self._kept = _Table(lambda c: "" if is_removed(c) else c)
        self._spaced = _Table(self._space)

    def __call__(self, word: str) -> list[str]:
        """Returns the words that become word pieces, of a word that is not very long."""
        if not _NOT_PLAIN.search(word):
            return _PLAIN_PIECES.findall(word.lower() if self._lowercase else word)
        return self._spread(self._lowered(word)).split()

    def parts(self, word: str) -> Iterator[list[str]]:
        """The same of a word of any length, in lists that need not all be held.

        A part over `MAX_CHARACTERS_PER_WORD` is cut, but stays over it.
        """
        if len(word) <= self.at_once:
            yield self(word)
            return
        word = self._lowered(word)
        begun = ""
        for start in range(0, len(word), self.at_once):
            spread = begun + self._spread(word[start : start + self.at_once])
            words = spread.split()
            ends = not words or spread.endswith(" ")
            begun = "" if ends else words.pop()[: MAX_CHARACTERS_PER_WORD + 1]
            yield words
        if begun:
            yield [begun]

    def _lowered(self, word: str) -> str:
        """The word cleaned and lowered, as a whole: a sigma looks at what is around it."""
        if not word.isprintable() or "\ufffd" in word:
            word = word.translate(self._kept)
        return word.lower() if self._lowercase else word

    def _spread(self, word: str) -> str:
        """The word with its accents stripped and spaces around all pieces of their own."""
        if self._strip_accents:
            word = unicodedata.normalize("NFD", word)
        return word.translate(self._spaced)

    def _space(self, character: str) -> str:
        if self._strip_accents and is_accent(character):
            return ""
        return f" {character} " if is_piece(character) else character


class WordEncoder:
    """Encodes one white-space word.

    Special tokens are not added, and a literal `[MASK]` in text is ordinary characters.

    Args:
      tokens: The vocabulary.
      split: Makes words of it that are split into word pieces.
      dtype: Type of an id.
    """

    def __init__(
        self, tokens: Sequence[str], split: WordSplitter, dtype: Literal["uint16", "uint32"]
    ) -> None:
        self._split = split
        self._at_once = split.at_once
        little_endian = np.dtype(dtype).newbyteorder("<")
        ids = {token: np.array(i, little_endian).tobytes() for i, token in enumerate(tokens)}
        self._unk = ids[UNK]
        begin = len(CONTINUATION)
        self._beginnings = {
            t: i
            for t, i in ids.items()
            if not t.startswith(CONTINUATION) and len(t) <= MAX_CHARACTERS_PER_WORD
        }
        self._continuations = {t[begin:]: i for t, i in ids.items() if t.startswith(CONTINUATION)}
        self._beginning_lengths = _lengths(self._beginnings)
        self._continuation_lengths = _lengths(self._continuations)

    def encode(self, word: str) -> bytes:
        """Returns the ids of a word, little-endian."""
        if len(word) > self._at_once:
            return b"".join(map(self._encode_words, self._split.parts(word)))
        return self._encode_words(self._split(word))

    def _encode_words(self, words: list[str]) -> bytes:
        whole = self._beginnings.get
        return b"".join([whole(word) or self._word_pieces(word) for word in words])

    def _word_pieces(self, word: str) -> bytes:
        """The longest token that begins the word, then the longest that continues it, and so on."""
        end = len(word)
        if end > MAX_CHARACTERS_PER_WORD:
            return self._unk
        ids: list[bytes] = []
        start, tokens, lengths = 0, self._beginnings, self._beginning_lengths
        while start < end:
            for length in lengths.get(word[start : start + _KEY], _SHORT):
                # Behind the end of the word there is nothing: the slice is what is left of it.
                if found := tokens.get(word[start : start + length]):
                    break
            else:
                return self._unk
            ids.append(found)
            start += length
            tokens, lengths = self._continuations, self._continuation_lengths
        return b"".join(ids)


def _lengths(tokens: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """How long a token may be that begins with these characters, the longest first."""
    found: dict[str, set[int]] = {}
    for token in tokens:
        found.setdefault(token[:_KEY], set(_SHORT)).add(len(token))
    return {key: tuple(sorted(lengths, reverse=True)) for key, lengths in found.items()}
