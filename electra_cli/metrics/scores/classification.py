"""Scores of one label for each example, the same as scikit-learn's.

Shapes: N examples, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.scores.counts import (
    mean_over,
    precision_recall_f1,
    scores_of_labels,
    share,
)
from electra_cli.metrics.scores.names import (
    ACCURACY,
    F1,
    MACRO_F1,
    MATTHEWS,
    MICRO_F1,
    per_label,
)


def names(labels: Sequence[str]) -> tuple[str, ...]:
    """What `scores` returns, in the order to show it.

    `f1` is that of the second of two labels; there is none for more.
    """
    of_two = (F1,) if len(labels) == 2 else ()
    return (ACCURACY, *of_two, MACRO_F1, MICRO_F1, MATTHEWS, *per_label(labels))


def scores(
    gold: npt.ArrayLike, predictions: npt.ArrayLike, labels: Sequence[str]
) -> dict[str, float]:
    """Scores predicted labels.

    Args:
      gold: Number of the right label of each example, [N].
      predictions: Number of the predicted label, [N].
      labels: All labels, [L]; their places are the numbers.

    Returns:
      By `names`. Macro F1 is the mean over the labels that occur in gold or predictions. A share
      of nothing is 0, as is the correlation of Matthews where one side is constant. Without
      examples accuracy, macro and micro F1 are NaN.
    """
    right = np.asarray(gold, np.int64)  # [N]
    said = np.asarray(predictions, np.int64)  # [N]
    size = len(labels)
    hits, of_gold, of_said = (
        np.bincount(numbers, minlength=size)  # [L]
        for numbers in (right[right == said], right, said)
    )
    by_label = precision_recall_f1(hits, of_said, of_gold)  # [3, L]
    accuracy = share(int(hits.sum()), len(right))
    found = {
        ACCURACY: accuracy,
        MACRO_F1: mean_over(by_label[2], of_gold + of_said > 0),
        # One label is predicted for each example, so a wrong one is as many too few as too many.
        MICRO_F1: accuracy,
        MATTHEWS: _matthews(hits, of_said, of_gold),
        **scores_of_labels(labels, by_label),
    }
    if size == 2:
        found[F1] = float(by_label[2, 1])
    return {name: found[name] for name in names(labels)}


def _matthews(
    hits: npt.NDArray[np.int64], said: npt.NDArray[np.int64], gold: npt.NDArray[np.int64]
) -> float:
    """The correlation of two partitions (Gorodkin 2004); of two labels it is Matthews'.

    Python's integers count, since products of large counts do not fit into 64 bits.
    """
    right, all_said, all_gold = hits.tolist(), said.tolist(), gold.tolist()  # [L] each
    total = sum(all_gold)
    together = sum(right) * total - sum(a * b for a, b in zip(all_said, all_gold, strict=True))
    alone = [total**2 - sum(count**2 for count in counts) for counts in (all_said, all_gold)]
    return float(together / (alone[0] ** 0.5 * alone[1] ** 0.5)) if all(alone) else 0.0
