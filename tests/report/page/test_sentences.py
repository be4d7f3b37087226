"""Held-out sentences: nothing is told by colour alone."""

from __future__ import annotations

import pytest

from electra_cli.report.page.sentences import LEVELS, Piece, levels, passage_of
from electra_cli.runs.held_out import Sentence, Token


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (Token("fox", False, None, 0.05), Piece("fox", True, 0, False, "", False)),
        (Token("fox", False, None, 0.3), Piece("fox", True, 1, False, "", False)),
        (Token("fox", False, None, 0.5), Piece("fox", True, 3, False, "50%", False)),
        (Token("fox", False, None, None), Piece("fox", True, None, False, "", False)),
        (Token("##es", False, None, 1.0), Piece("es", False, 4, False, "100%", False)),
        (Token("##", False, None, 0.0), Piece("##", True, 0, False, "", False)),
        (Token("fox", True, "cat", 0.64), Piece("fox", True, 3, True, "cat 64%", True)),
        (Token("fox", True, "fox", 0.12), Piece("fox", True, 0, True, "= 12%", False)),
        (Token("fox", True, "cat", None), Piece("fox", True, None, True, "cat", True)),
        (Token("fox", True, None, 0.2), Piece("fox", True, 1, True, "20%", False)),
    ],
)
def test_a_token(token: Token, expected: Piece) -> None:
    assert passage_of(Sentence(0, [token])).pieces == [expected]


def test_padding_is_left_out() -> None:
    row = Sentence(7, [Token("[CLS]", False, None, 0.0), Token("[PAD]", False, None, 0.0)])
    assert [piece.text for piece in passage_of(row).pieces] == ["[CLS]"]


@pytest.mark.parametrize(
    ("suspicions", "summary"),
    [
        (
            (0.9, 0.1, 0.6, 0.7),
            "3 tokens masked, 2 of them replaced; the discriminator noticed 1 and gave 2 false "
            "alarms",
        ),
        ((None,) * 4, "3 tokens masked, 1 of them guessed right"),
    ],
)
def test_what_came_of_it(suspicions: tuple[float | None, ...], summary: str) -> None:
    sampled = ("cat", "dog", "fox", None)
    tokens = [
        Token("fox", put is not None, put, suspicion)
        for put, suspicion in zip(sampled, suspicions, strict=True)
    ]
    assert passage_of(Sentence(0, tokens)).summary == summary


def test_each_level_is_explained() -> None:
    assert len(levels()) == len(LEVELS) + 1
    assert levels()[0] == "under 20%"
    assert levels()[-1] == "75% and more"
