"""The tokenizer's rules for single characters, as classes of regular expressions.

They say what Python's table of characters says, whatever table a library brings. Both libraries
that read them, RE2 and Oniguruma, know `\\x{10FFFF}`.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain

from electra_cli.corpus.wordpiece.tokenizer import is_accent, is_piece, is_removed


@cache
def removed() -> str:
    """What is left out."""
    return _class_of(is_removed, among=_all())


@cache
def accents() -> str:
    """What is left out of decomposed letters."""
    return _class_of(is_accent)


@cache
def pieces() -> str:
    """What is a word of its own."""
    return _class_of(is_piece)


@cache
def spaces() -> str:
    """What separates words, apart from what is removed."""
    return _class_of(lambda c: c.isspace() and not is_removed(c))


@cache
def final_sigma() -> tuple[str, str]:
    """Classes that decide on a final sigma: letters with case, and what is looked past.

    A capital sigma ends a word if one of the first precedes it and none follows. Python tells of a
    character only by what it does to a sigma.
    """
    return (
        _class_of(lambda c: f"{c}Σ".lower()[-1] == "ς"),
        _class_of(lambda c: f"{c}Σ".lower()[-1] == "σ" and f"Α{c}Σ".lower()[-1] == "ς"),
    )


@cache
def lowered() -> dict[str, str]:
    """All characters that are lowered, but for the sigma that ends a word."""
    return {c: c.lower() for c in _kept() if c.lower() != c}


def decompositions() -> dict[str, str]:
    """What letters consist of; the syllables of Hangul, which have no accents, are left out."""
    return {
        c: unicodedata.normalize("NFD", c)
        for c in _kept()
        if unicodedata.decomposition(c) and unicodedata.normalize("NFD", c) != c
    }


def _all() -> Iterable[int]:
    """All but the surrogates, which are no character of any text."""
    return chain(range(0xD800), range(0xE000, sys.maxunicode + 1))


@cache
def _kept() -> list[str]:
    """All characters that are left when the others are removed, a tenth of them."""
    return [chr(code) for code in _all() if not is_removed(chr(code))]


def _class_of(is_in: Callable[[str], bool], among: Iterable[int] | None = None) -> str:
    """The characters that a question is answered for with yes, in square brackets."""
    ranges: list[list[int]] = []
    for code in map(ord, _kept()) if among is None else among:
        if is_in(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    parts = (rf"\x{{{a:X}}}" + (rf"-\x{{{b:X}}}" if b > a else "") for a, b in ranges)
    return f"[{''.join(parts)}]"
