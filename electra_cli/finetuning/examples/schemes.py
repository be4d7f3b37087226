"""How tags mark spans of words: IOB1, BIO, IO and BIOES, and from one to another.

All are read by one rule, which is right for each of them: a span goes on while words carry its
type, and a B or S begins another, an E or S ends it. Tags are then written anew in the scheme that
is learned (as in the reference, finetune/tagging/tagging_utils.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

# Also under the letters of BILOU and BMES.
_LETTERS = dict(zip("BIESLUMW", "BIESESIS", strict=True))
_OUTSIDE = "O"
_MOSTLY = 0.5

FoundScheme = Literal["none", "iob1", "bio", "bioes", "io"]
Span = tuple[int, int, str]  # first word, word behind the last, type


def parts_of(tag: str) -> tuple[str, str] | None:
    """The letter (B, I, E, S or O) and the type of a tag; None if it marks no span."""
    letter, _, kind = tag.partition("-")
    if tag == _OUTSIDE:
        return _OUTSIDE, ""
    if letter in _LETTERS and (kind or letter == tag):
        return _LETTERS[letter], kind
    return None


def found_scheme(sentences: Iterable[Sequence[str]]) -> FoundScheme:
    """The scheme of tags.

    They are of one if more than half of the words have tags of that form, and any marks a span;
    those that have not are faults.

    Args:
      sentences: The tags of the words of each.
    """
    letters: set[str] = set()
    words = fitting = 0
    begins_with_i = b_without_need = False
    for tags in sentences:
        before = _OUTSIDE, ""
        for tag in tags:
            parts = parts_of(tag)
            words += 1
            fitting += parts is not None
            letter, kind = parts or (_OUTSIDE, "")
            letters.add(letter)
            follows = before[0] != _OUTSIDE and before[1] == kind
            begins_with_i |= letter == "I" and not follows
            b_without_need |= letter == "B" and not follows
            before = letter, kind
    if letters <= {_OUTSIDE} or fitting <= _MOSTLY * words:
        return "none"
    if letters & {"E", "S"}:
        return "bioes"
    if "B" not in letters:
        return "io"
    return "iob1" if begins_with_i and not b_without_need else "bio"


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans that tags of any scheme mark.

    Args:
      tags: All of a form that `parts_of` knows.
    """
    spans: list[Span] = []
    begin, open_kind = 0, None
    for place, tag in enumerate(tags):
        letter, kind = parts_of(tag) or (_OUTSIDE, "")
        goes_on = letter in ("I", "E") and kind == open_kind
        if not goes_on:
            if open_kind is not None:
                spans.append((begin, place, open_kind))
            begin, open_kind = place, None if letter == _OUTSIDE else kind
        if letter in ("E", "S") and open_kind is not None:
            spans.append((begin, place + 1, open_kind))
            open_kind = None
    if open_kind is not None:
        spans.append((begin, len(tags), open_kind))
    return spans


def tags_of(spans: Iterable[Span], words: int, scheme: Literal["bio", "bioes", "io"]) -> list[str]:
    """The tags of a sentence with some spans.

    Args:
      spans: None overlap.
      words: Of the sentence.
      scheme: To write them in.
    """
    tags = [_OUTSIDE] * words
    for begin, end, kind in spans:
        letters = ["I"] * (end - begin)
        if scheme != "io":
            letters[0] = "B"
        if scheme == "bioes":
            letters[-1] = "E" if len(letters) > 1 else "S"
        tags[begin:end] = [f"{letter}-{kind}" if kind else letter for letter in letters]
    return tags
