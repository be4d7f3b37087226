"""Whether a question gets its answer or none: the threshold of its odds, chosen on a dev set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.answers import QuestionAnswers
from electra_cli.metrics.scores import squad

Chosen = Literal["best_exact_thresh", "best_f1_thresh"]


def best_threshold(
    examples: Sequence[Question],
    found: Sequence[QuestionAnswers],
    *,
    by: Chosen = "best_f1_thresh",
) -> float:
    """The threshold with the best score, as the official script of SQuAD 2 finds it.

    Args:
      examples: Questions with what is right.
      found: What was found for each.
      by: The score: that of exact matches, or F1.
    """
    scores = squad.scores(
        right_answers(examples),
        {one.id: one.text for one in found},
        answerable=False,
        null_odds={one.id: one.null_odds for one in found},
    )
    return scores[by]


def right_answers(examples: Sequence[Question]) -> dict[str, list[str]]:
    """The right answers of each question by its id; none where there is none."""
    return {
        one.id: [] if one.is_impossible else [answer.text for answer in one.answers]
        for one in examples
    }


def predictions(found: Sequence[QuestionAnswers], threshold: float | None) -> dict[str, str]:
    """The answer to each question by its id, the empty text where there is none.

    Args:
      found: What was found.
      threshold: Odds above it mean no answer; None: every question has one.
    """
    return {
        one.id: "" if threshold is not None and one.null_odds > threshold else one.text
        for one in found
    }
