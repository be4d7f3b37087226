"""The majority baseline: what it scores to say the same always, learned from the training data.

Shapes: T training examples, N examples to score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.scores import classification, regression, squad, tagging
from electra_cli.metrics.scores.names import MSE


def of_classification(
    train: npt.ArrayLike, gold: npt.ArrayLike, labels: Sequence[str]
) -> dict[str, float]:
    """Scores the most frequent label of the training data; the first of equally frequent ones.

    Args:
      train: Numbers of its labels, [T].
      gold: Numbers of the right labels, [N].
      labels: All labels.

    Returns:
      All scores of classification.
    """
    counts = np.bincount(np.asarray(train, np.int64), minlength=len(labels))
    right = np.asarray(gold, np.int64)  # [N]
    return classification.scores(right, np.full_like(right, counts.argmax()), labels)


def of_regression(train: npt.ArrayLike, gold: npt.ArrayLike) -> dict[str, float]:
    """Scores the mean of the training data; a correlation with it counts as 0.

    Args:
      train: Its numbers, [T].
      gold: The right numbers, [N].

    Returns:
      All scores of regression.
    """
    right = np.asarray(gold, np.float64)  # [N]
    found = regression.scores(right, np.full_like(right, np.mean(np.asarray(train, np.float64))))
    return {name: value if name == MSE else 0.0 for name, value in found.items()}


def of_tagging(
    train: Iterable[Sequence[str]], gold: Sequence[Sequence[str]], tags: Sequence[str], scheme: str
) -> dict[str, float]:
    """Scores the most frequent tag of the training data; the first of equally frequent ones.

    Args:
      train: Tags of its sentences.
      gold: The right tags, by sentence.
      tags: All tags.
      scheme: none, bio, bioes or io.

    Returns:
      All scores of tagging.
    """
    counts = Counter(tag for sentence in train for tag in sentence)
    tag = max(tags, key=lambda name: counts[name])
    return tagging.scores(gold, [[tag] * len(sentence) for sentence in gold], tags, scheme)


def of_qa(gold: Mapping[str, Sequence[str]], *, answerable: bool) -> dict[str, float]:
    """Scores saying that no question has an answer.

    Args:
      gold: All right answers of each question, by its id.
      answerable: Every question has one, as in SQuAD 1.1.

    Returns:
      All scores of answers.
    """
    silent, odds = dict.fromkeys(gold, ""), dict.fromkeys(gold, 0.0)
    return squad.scores(gold, silent, answerable=answerable, null_odds=odds)
