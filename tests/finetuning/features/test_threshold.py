"""The threshold for no answer."""

from __future__ import annotations

import math

import pytest

from electra_cli.finetuning.examples.example import Answer, Question
from electra_cli.finetuning.features.answers import FoundAnswer, QuestionAnswers
from electra_cli.finetuning.features.threshold import deciding, predictions, right_answers
from electra_cli.metrics.scores import squad


def _found(name: str, text: str, odds: float) -> QuestionAnswers:
    answers = (FoundAnswer(text, 0, 1.0, 1.0),) if text else ()
    return QuestionAnswers(name, answers, odds)


_FOUND = [
    _found("a", "x", -3.0),
    _found("b", "x", 2.0),
    _found("c", "x y q", -1.0),
    _found("d", "x", 0.0),
    _found("e", "v", 1.0),
]


@pytest.mark.parametrize(
    ("threshold", "answered"),
    [(None, "abcde"), (-1.0, "ac"), (-4.0, ""), (0.5, "acd"), (5.0, "abcde")],
)
def test_predictions(threshold: float | None, answered: str) -> None:
    """Odds above the threshold mean the empty text; the reference never says it."""
    found = predictions(_FOUND, threshold)
    assert list(found) == list("abcde")
    assert "".join(name for name, text in found.items() if text) == answered
    assert predictions([_found("q", "", -9.0)], None) == {"q": ""}


@pytest.mark.parametrize(
    ("said", "odds", "expected", "score"),
    [
        # Below all odds where no answer is right, or answers win no more than they lose.
        ({"a": "x", "b": "x", "c": "y"}, (-3.0, -2.0, -1.0), math.nextafter(-3.0, -9.0), 2 / 3),
        ({"a": "x", "b": "x", "c": "x"}, (-2.0, -1.0, -1.5), math.nextafter(-2.0, -9.0), 2 / 3),
        ({"a": "x", "b": "x", "c": "x"}, (1.0, 2.0, 0.0), 0.0, 1.0),
        ({"a": "x", "b": "x", "c": "x"}, (5.0, 6.0, 4.0), 4.0, 1.0),
    ],
)
def test_the_threshold_that_decides(
    said: dict[str, str], odds: tuple[float, ...], expected: float, score: float
) -> None:
    """Scores at it are the best that any threshold has; the script's 0 would be in the way."""
    gold: dict[str, list[str]] = {"a": [], "b": [], "c": ["x"]}
    null_odds = dict(zip("abc", odds, strict=True))
    found = squad.scores(gold, said, answerable=False, null_odds=null_odds)
    threshold = deciding(found, null_odds)
    assert threshold == expected
    at = squad.scores(gold, said, answerable=False, null_odds=null_odds, threshold=threshold)
    assert at["f1"] == found["best_f1"] == pytest.approx(score)


def test_right_answers() -> None:
    """All of a question; none where there is none, whatever a file lists."""
    right = Question("e", "?", "", (Answer("x", 0), Answer("v", 0)), False, "")
    impossible = Question("i", "?", "", (Answer("plausible", 0),), True, "")
    assert right_answers([right, impossible]) == {"e": ["x", "v"], "i": []}
