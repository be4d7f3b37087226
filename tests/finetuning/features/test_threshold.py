"""The threshold for no answer."""

from __future__ import annotations

import pytest

from electra_cli.finetuning.examples.example import Answer, Question
from electra_cli.finetuning.features.answers import FoundAnswer, QuestionAnswers
from electra_cli.finetuning.features.threshold import (
    best_threshold,
    predictions,
    right_answers,
)


def _question(name: str, *answers: str) -> Question:
    right = tuple(Answer(text, 0) for text in answers)
    return Question(name, "?", "", right, not answers, "")


def _found(name: str, text: str, odds: float) -> QuestionAnswers:
    answers = (FoundAnswer(text, 0, 1.0, 1.0),) if text else ()
    return QuestionAnswers(name, answers, odds)


_EXAMPLES = [
    _question("a", "x"),
    _question("b"),
    _question("c", "x y z w"),
    _question("d"),
    _question("e", "x", "v"),
]
_FOUND = [
    _found("a", "x", -3.0),
    _found("b", "x", 2.0),
    _found("c", "x y q", -1.0),
    _found("d", "x", 0.0),
    _found("e", "v", 1.0),
]


def test_the_best_threshold() -> None:
    """F1 and exact match draw it at different odds; a, c, d, b, e ascend as -3, -1, 0, 1, 2."""
    # Answered: none 2, a 3, c 3 + 4/7, d 2 + 4/7, e 3 + 4/7 (again), b 2 + 4/7.
    assert best_threshold(_EXAMPLES, _FOUND) == -1.0
    # Exact: none 2, a 3, c 3, d 2, e 3, b 2.
    assert best_threshold(_EXAMPLES, _FOUND, by="best_exact_thresh") == -3.0


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


def test_right_answers() -> None:
    """All of a question; none where there is none, whatever a file lists."""
    impossible = Question("i", "?", "", (Answer("plausible", 0),), True, "")
    assert right_answers([_EXAMPLES[4], impossible]) == {"e": ["x", "v"], "i": []}
