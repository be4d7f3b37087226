"""The words that the reference's tokenizer makes of text, before it looks for word pieces.

Written from the rules of google-research/electra, model/tokenization.py, one character at a time,
and slow: what is fast is compared with it.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator

CASINGS = [(True, True), (False, False), (True, False), (False, True)]

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
_ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_CONTEXTS = ("{}", "a{}b", "A{}", "x {} y")


def reference_words(text: str, *, lowercase: bool, strip_accents: bool) -> list[str]:
    """Cleans, sets ideographs apart, splits at space, lowers and strips, splits at punctuation."""
    cleaned = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            cleaned.append(" ")
        elif category[0] != "C" and character != "\ufffd":
            is_ideograph = any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)
            cleaned.append(f" {character} " if is_ideograph else character)
    words = []
    for word in "".join(cleaned).split():
        if lowercase:
            word = word.lower()
        if strip_accents:
            decomposed = unicodedata.normalize("NFD", word)
            word = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        apart = (
            f" {c} " if c in _ASCII_PUNCTUATION or unicodedata.category(c)[0] == "P" else c
            for c in word
        )
        words += "".join(apart).split()
    return words


def assigned_characters() -> list[str]:
    """All that Python's Unicode knows, but for surrogates and private ones."""
    every = map(chr, range(sys.maxunicode + 1))
    return [c for c in every if unicodedata.category(c) not in ("Cn", "Co", "Cs")]


def different_characters(
    words_of: Callable[[list[str]], list[list[str]]], *, lowercase: bool, strip_accents: bool
) -> list[str]:
    """The characters of which, alone or in company, other words are made than here.

    All are asked about where case and accents go together, as in the reference; else a few.

    Args:
      words_of: Makes the words of many texts.
      lowercase: As it does it.
      strip_accents: As it does it.
    """
    characters = [*_some_unassigned(), *assigned_characters()]
    if lowercase != strip_accents:
        characters = characters[::10]
    found = set()
    for context in _CONTEXTS:
        texts = [context.format(character) for character in characters]
        for character, text, words in zip(characters, texts, words_of(texts), strict=True):
            if words != reference_words(text, lowercase=lowercase, strip_accents=strip_accents):
                found.add(character)
    return sorted(found)


def _some_unassigned() -> Iterator[str]:
    """Private ones, non-characters, and the first free place behind each assigned character."""
    yield from "\ue000\uf8ff\ufdd0\uffff\U000f0000\U0010ffff\U000e1000"
    for code in range(sys.maxunicode):
        here, behind = (unicodedata.category(chr(code + ahead)) for ahead in (0, 1))
        if here != "Cn" and behind == "Cn":
            yield chr(code + 1)
