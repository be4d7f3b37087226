"""Whether a question gets its answer or none: a threshold of its null odds.

`metrics.scores.squad` finds the best threshold of a dev set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from electra_cli.finetuning.examples.example import Question
from electra_cli.finetuning.features.answers import QuestionAnswers


def right_answers(examples: Sequence[Question]) -> dict[str, list[str]]:
    """The right answers of each question by its id; none where there is none."""
    return {
        one.id: [] if one.is_impossible else [answer.text for answer in one.answers]
        for one in examples
    }


def deciding(scores: Mapping[str, float], null_odds: Mapping[str, float]) -> float:
    """The threshold that decides: the one with the best F1.

    The official script names 0 where no threshold is better than giving no answer at all, so that
    questions of lower odds would get one; here it lies just below all odds then.

    Args:
      scores: Of `metrics.scores.squad`, with the best thresholds.
      null_odds: Of the same questions.
    """
    if scores["best_f1"] > scores["NoAns_total"] / scores["total"]:
        return scores["best_f1_thresh"]
    return math.nextafter(min(null_odds.values()), -math.inf)


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
