"""Scores of answers, the same as the official scripts' of SQuAD 1.1 and 2.0.

Scores are shares between 0 and 1, where the scripts print percent; parts of questions are named as
they name them.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from electra_cli.metrics.scores.counts import share
from electra_cli.metrics.scores.names import EXACT_MATCH, F1, TOTAL

_PARTS = ("HasAns", "NoAns")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def names(*, answerable: bool, null_odds: bool = True) -> tuple[str, ...]:
    """What `scores` returns, in the order to show it.

    Args:
      answerable: Every question has an answer, as in SQuAD 1.1.
      null_odds: They are known, so that thresholds can be tried.
    """
    if answerable:
        return (EXACT_MATCH, F1, TOTAL)
    parts = tuple(f"{part}_{score}" for part in _PARTS for score in ("exact", F1, TOTAL))
    best = ("best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh") if null_odds else ()
    return (EXACT_MATCH, F1, TOTAL, *parts, *best)


def scores(
    gold: Mapping[str, Sequence[str]],
    predictions: Mapping[str, str],
    *,
    answerable: bool,
    null_odds: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """Scores predicted answers.

    Args:
      gold: All right answers of each question, by its id; none if there is no answer.
      predictions: The best answer of each question, by its id; the empty text says that there is
        none. A question without a prediction counts as wrong, which the script of 2.0 leaves out.
      answerable: Score as SQuAD 1.1 does, where every question has an answer.
      null_odds: How much speaks against an answer, of every question by its id; for 2.0 alone.
      threshold: Above these odds the prediction counts as the empty text.

    Returns:
      By `names`: shares, and numbers of questions. A share of no questions is NaN. `best_exact`
      and `best_f1` are those of the best thresholds for these very questions, at or below which
      answers are given; among questions of equal odds the scripts may draw the line, so that these
      are then a little too good, and ours are the same.
    """
    pairs = {name: _pair(gold[name], predictions.get(name), answerable) for name in gold}
    if answerable:
        return dict(zip(names(answerable=True), _means(list(pairs.values())), strict=True))
    has = {name: bool(answers) for name, answers in gold.items()}
    silent = {name for name, odds in (null_odds or {}).items() if odds > threshold}
    decided = {
        name: _Pair(*[float(not has[name])] * 2) if name in silent else pair
        for name, pair in pairs.items()
    }
    given = {name for name in gold if predictions.get(name) != ""}
    found = list(_means(list(decided.values())))
    for part in (True, False):
        found += _means([pair for name, pair in decided.items() if has[name] is part])
    if null_odds is not None:
        order = sorted(gold, key=null_odds.__getitem__)
        for score in (0, 1):
            gains = [
                (null_odds[name], pairs[name][score] if has[name] else -float(name in given))
                for name in order
            ]
            found += _best(gains, unanswered=sum(not answer for answer in has.values()))
    return dict(zip(names(answerable=False, null_odds=null_odds is not None), found, strict=True))


def normalized(text: str) -> str:
    """An answer as it is compared: lower case, without punctuation, articles and extra spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(gold: str, predicted: str) -> float:
    """1 if two answers are the same once normalized, else 0."""
    return float(normalized(gold) == normalized(predicted))


def f1(gold: str, predicted: str, *, answerable: bool) -> float:
    """F1 of the words that two answers have in common.

    Args:
      gold: A right answer.
      predicted: The predicted one.
      answerable: As in SQuAD 1.1, where two answers without a word share nothing; in 2.0 they
        agree.
    """
    words = [Counter(normalized(text).split()) for text in (gold, predicted)]
    sizes = [counts.total() for counts in words]
    if not all(sizes):
        return float(not answerable and sizes == [0, 0])
    return 2 * (words[0] & words[1]).total() / sum(sizes)


class _Pair(NamedTuple):
    """Exact match and F1 of a question."""

    exact: float
    f1: float


def _pair(answers: Sequence[str], predicted: str | None, answerable: bool) -> _Pair:
    """The best over the right answers; in 2.0 those without a word do not count."""
    if predicted is None:
        return _Pair(0.0, 0.0)
    right = list(answers) if answerable else [text for text in answers if normalized(text)] or [""]
    return _Pair(
        max((exact_match(text, predicted) for text in right), default=0.0),
        max((f1(text, predicted, answerable=answerable) for text in right), default=0.0),
    )


def _means(pairs: Sequence[_Pair]) -> tuple[float, float, float]:
    """Mean exact match, mean F1, and how many."""
    sums = [sum(pair[score] for pair in pairs) for score in (0, 1)]
    return share(sums[0], len(pairs)), share(sums[1], len(pairs)), float(len(pairs))


def _best(gains: Sequence[tuple[float, float]], *, unanswered: int) -> tuple[float, float]:
    """The best score of any threshold, and that threshold.

    Args:
      gains: Odds of each question, ascending, and what giving its answer adds to the score.
      unanswered: Questions without an answer: the score of giving none.
    """
    score = best = float(unanswered)
    threshold = 0.0
    for odds, gain in gains:
        score += gain
        if score > best:
            best, threshold = score, odds
    return share(best, len(gains)), threshold
