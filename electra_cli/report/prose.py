"""Sentences with something to type in them, for any way of writing them."""

from __future__ import annotations


def spans(text: str) -> list[tuple[str, bool]]:
    """Parts of a text, each with whether it is to be typed: it stood between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one of them has no partner
        return [(text, False)]
    return [(part, number % 2 == 1) for number, part in enumerate(parts)]
