"""Marks on letters, which --strip-accents takes off: accents, vowel signs, voicing marks.

They tell words apart in some languages: Japanese loses its voicing, Hindi its vowels, and German
"für" becomes "fur".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Variation selectors.
_LOOKS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def has_mark(word: str) -> bool:
    """Whether stripping of accents changes a word for its reader.

    What selects the looks of a character, as that of an emoji, is removed too, but not missed.
    """
    if word.isascii():
        return False
    return any(
        unicodedata.category(c) == "Mn" and not _LOOKS.match(c)
        for c in unicodedata.normalize("NFD", word)
    )


def without_marks(word: str, *, lowercase: bool) -> str:
    """A word as the tokenizer looks for it where accents are stripped."""
    word = word.lower() if lowercase else word
    return "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")


def count_marked(lines: Iterable[str]) -> tuple[int, Counter[str]]:
    """Counts the white-space words of some lines, and those of them that have marks.

    Returns:
      How many words there are, and how often each with a mark comes.
    """
    words = 0
    marked: Counter[str] = Counter()
    for line in lines:
        split = line.split()
        words += len(split)
        if not line.isascii():
            marked.update(word for word in split if has_mark(word))
    return words, marked
