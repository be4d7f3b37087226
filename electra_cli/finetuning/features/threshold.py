"""Whether a question gets its answer or none: a threshold of its null odds.

`metrics.scores.squad` finds the best threshold of a dev set.
"""

from __future__ import annotations

from collections.abc import Sequence

from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.answers import QuestionAnswers


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
