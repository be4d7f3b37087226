"""Held-out sentences as a page shows them: what stood there, what was put there, what was noticed.

Nothing is told by colour alone: a shade has an underline of its own, what was masked has a frame,
and what was put there stands above it with the suspicion in percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from electra_cli.corpus.wordpiece.vocabulary import PAD
from electra_cli.errors import counted
from electra_cli.runs.held_out import Sentence, Token

# A token is as suspicious as the number of these that it reaches; the page has a shade for each.
# A discriminator that knows nothing gives each the replaced rate, about 0.14, which is below.
LEVELS = (0.2, 0.35, 0.5, 0.75)
_ALARM = 0.5  # the discriminator holds it for more likely replaced than not


@dataclass(frozen=True)
class Piece:
    """A token as the page shows it.

    Attributes:
      text: The word piece without the marks of a continuation.
      begins: Whether a space stands before it.
      level: How many of LEVELS the suspicion reaches; None if there is none.
      masked: Whether it was masked.
      above: What is written above it; empty for nothing.
      replaced: Whether another token was put there.
    """

    text: str
    begins: bool
    level: int | None
    masked: bool
    above: str
    replaced: bool


@dataclass(frozen=True)
class Passage:
    """A sentence as the page shows it.

    Attributes:
      row: Its number among the held-out rows.
      pieces: Its tokens.
      summary: What came of the masked ones, in words.
    """

    row: int
    pieces: Sequence[Piece]
    summary: str


def passage_of(sentence: Sentence) -> Passage:
    """Lays out a sentence."""
    tokens = [token for token in sentence.tokens if token.text != PAD]
    return Passage(sentence.row, [_piece(token) for token in tokens], _summary(tokens))


def levels() -> list[str]:
    """What each level means, from the lowest."""
    bounds = [f"{level:.0%}" for level in LEVELS]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return [f"under {bounds[0]}", *between, f"{bounds[-1]} and more"]


def _piece(token: Token) -> Piece:
    continues = token.text.startswith("##") and len(token.text) > 2
    suspicion = token.suspicion
    above = []
    if token.masked and token.sampled is not None:
        above.append(token.sampled if _is_replaced(token) else "=")
    if suspicion is not None and (token.masked or suspicion >= _ALARM):
        above.append(f"{suspicion:.0%}")
    return Piece(
        token.text[2:] if continues else token.text,
        not continues,
        None if suspicion is None else sum(suspicion >= level for level in LEVELS),
        token.masked,
        " ".join(above),
        _is_replaced(token),
    )


def _is_replaced(token: Token) -> bool:
    return token.sampled is not None and token.sampled != token.text


def _summary(tokens: Sequence[Token]) -> str:
    masked = [token for token in tokens if token.masked]
    replaced = [token for token in masked if _is_replaced(token)]
    words = f"{counted(len(masked), 'token')} masked, "
    if all(token.suspicion is None for token in tokens):
        return f"{words}{len(masked) - len(replaced):,} of them guessed right"
    found = [token for token in replaced if _is_alarm(token)]
    false = [token for token in tokens if _is_alarm(token) and not _is_replaced(token)]
    return (
        f"{words}{len(replaced):,} of them replaced; the discriminator noticed {len(found):,} and "
        f"gave {counted(len(false), 'false alarm')}"
    )


def _is_alarm(token: Token) -> bool:
    return token.suspicion is not None and token.suspicion >= _ALARM
