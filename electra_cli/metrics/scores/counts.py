"""Precision, recall and F1 from what was found, what was predicted and what is right.

Shapes: L labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.scores.names import per_label

Floats = npt.NDArray[np.float64]


def precision_recall_f1(
    hits: npt.ArrayLike, predicted: npt.ArrayLike, gold: npt.ArrayLike
) -> Floats:
    """Shares by label; zero where there is nothing to divide by, as in scikit-learn.

    Args:
      hits: Predictions that are right, [L] or one number.
      predicted: All predictions.
      gold: All that is right.

    Returns:
      [3, L], or [3] of single numbers.
    """
    hits = np.asarray(hits, np.float64)
    below = np.stack([np.asarray(predicted), np.asarray(gold)]).astype(np.float64)  # [2, L]
    shares = np.concatenate([below, below.sum(axis=0, keepdims=True) / 2])  # [3, L]
    return np.divide(hits, shares, out=np.zeros_like(shares), where=shares > 0)


def scores_of_labels(labels: Sequence[str], scores: Floats) -> dict[str, float]:
    """Scores of each label, [3, L], by their names."""
    return dict(zip(per_label(labels), scores.T.ravel().tolist(), strict=True))


def share(part: float, whole: float) -> float:
    """A share; NaN of nothing."""
    return float(part / whole) if whole else float("nan")


def mean_over(values: Floats, present: npt.NDArray[np.bool_]) -> float:
    """The mean over labels that are there at all, in gold or predictions; NaN without any."""
    return share(float(values[present].sum()), int(present.sum()))
