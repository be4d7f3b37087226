"""ROC AUC over any number of tokens in constant memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Scores are sorted into bins by the upper bits of their float32 pattern: about 2**-11 of relative
# resolution at every magnitude, since an untrained discriminator gives scores that differ little.
_BITS = 20


def _bins(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Maps scores to bins in ascending order, [N] -> [N] in [0, 2**20)."""
    pattern = np.ascontiguousarray(scores, np.float32).view(np.uint32)
    negative = pattern >> np.uint32(31) == 1
    # Turns the order of sign-and-magnitude numbers into the order of unsigned integers.
    ordered = np.where(negative, ~pattern, pattern | np.uint32(1 << 31))
    return (ordered >> np.uint32(32 - _BITS)).astype(np.int64)


class RankingCurve:
    """Histograms of the scores of positives and negatives."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, 1 << _BITS), np.int64)

    def add(self, scores: npt.NDArray[np.float32], labels: npt.NDArray[np.bool_]) -> None:
        """Counts tokens; `scores` and `labels` are [N]."""
        bins = _bins(scores)
        for label in (0, 1):
            found, counts = np.unique(bins[labels == bool(label)], return_counts=True)
            self._counts[label, found] += counts

    def auc(self) -> float:
        """The chance that a positive scores above a negative; equal bins count half.

        Returns:
          A number in [0, 1]; NaN when there are no positives or no negatives.
        """
        negatives, positives = self._counts.astype(np.float64)
        pairs = negatives.sum() * positives.sum()
        if not pairs:
            return float("nan")
        below = np.cumsum(negatives) - negatives / 2
        return float((positives * below).sum() / pairs)
