"""How tags mark spans of words: IOB1, BIO, IO and BIOES, and from one to another.

One rule reads all of them, that by which spans are scored. Tags are written anew in the scheme that
is learned, as in the reference (finetune/tagging/tagging_utils.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from electra_cli.metrics.scores.tagging import spans_of

# Also under the letters of BILOU and BMES.
_LETTERS = dict(zip("BIESLUMW", "BIESESIS", strict=True))
_OUTSIDE = "O"
_MOSTLY = 0.5

FoundScheme = Literal["none", "iob1", "bio", "bioes", "io"]
Scheme = Literal["bio", "bioes", "io"]


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


def in_scheme(tags: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Tags that mark the same spans in a scheme.

    Args:
      tags: Of a sentence, all of a form that `parts_of` knows, in any scheme.
      scheme: To write them in.
    """
    parts = [parts_of(tag) or (_OUTSIDE, "") for tag in tags]
    written = [_OUTSIDE] * len(tags)
    plain = [_written(letter, kind) for letter, kind in parts]
    for begin, last, _ in spans_of(plain):
        letters = ["I"] * (last + 1 - begin)
        if scheme != "io":
            letters[0] = "B"
        if scheme == "bioes":
            letters[-1] = "E" if len(letters) > 1 else "S"
        kind = parts[begin][1]
        written[begin : last + 1] = [_written(letter, kind) for letter in letters]
    return tuple(written)


def _written(letter: str, kind: str) -> str:
    return f"{letter}-{kind}" if kind else letter
