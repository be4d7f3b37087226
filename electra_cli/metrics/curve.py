"""Curves over any number of tokens in constant memory: ROC, precision and recall, calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CALIBRATION_BINS = 15


class RankingCurve:
    """A histogram over the scores that has fine bins wherever there are many tokens.

    Fixed bins would not do: an untrained discriminator gives all tokens nearly the same score.

    Args:
      limit: Distinct scores that are kept. Above it neighbours are merged into half as many bins of
        equal mass; at 2^18, with 15% positives, the error of the AUC stays below 1e-4 by a wide
        margin.
    """

    def __init__(self, limit: int = 1 << 18) -> None:
        self._limit = limit
        self._scores = np.empty(0, np.float32)  # [bins], ascending
        self._counts = np.empty((2, 0), np.int64)  # [negative and positive, bins]
        self._pending: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]] = []
        self._waiting = 0
        self._undefined = False  # a score that is no number has no rank

    def add(self, scores: npt.NDArray[np.float32], labels: npt.NDArray[np.bool_]) -> None:
        """Counts tokens; `scores` and `labels` are [N]."""
        self._pending.append((np.array(scores, np.float32), np.array(labels, bool)))
        self._waiting += len(scores)
        self._undefined = self._undefined or bool(np.isnan(scores).any())
        if self._waiting >= self._limit:
            self._merge_pending()

    def _merge_pending(self) -> None:
        scores = np.concatenate([self._scores, *(scores for scores, _ in self._pending)])
        parts = [np.stack([~labels, labels]) for _, labels in self._pending]  # [2, N] each
        counts = np.concatenate([self._counts, *parts], axis=1)  # [2, bins + new tokens]
        self._scores, bins = np.unique(scores, return_inverse=True)
        # Weights in float64 count exactly up to 2**53 tokens.
        merged = [np.bincount(bins, label, len(self._scores)) for label in counts]
        self._counts = np.stack(merged).astype(np.int64)  # [2, bins]
        self._pending, self._waiting = [], 0
        if len(self._scores) > self._limit:
            self._coarsen()

    def _coarsen(self) -> None:
        """Merges neighbouring bins until they have about equal mass."""
        mass = self._counts.sum(axis=0)  # [bins]
        share = (np.cumsum(mass) - mass / 2) / mass.sum()  # [bins], in (0, 1)
        group = (share * (self._limit // 2)).astype(np.int64)
        starts = np.flatnonzero(np.diff(group, prepend=-1))  # the first bin of every group
        self._scores = self._scores[starts]
        self._counts = np.add.reduceat(self._counts, starts, axis=1)

    def auc(self) -> float:
        """The chance that a positive scores above a negative; ties count half.

        Returns:
          A number in [0, 1]; NaN when there are no positives or no negatives, or if a score is no
          number.
        """
        self._merge_pending()
        negatives, positives = self._counts.astype(np.float64)  # [bins] each
        pairs = negatives.sum() * positives.sum()
        if not pairs or self._undefined:
            return float("nan")
        below = np.cumsum(negatives) - negatives / 2
        return float((positives * below).sum() / pairs)

    def average_precision(self) -> float:
        """The mean of the precision over the positives, each at its own score.

        Tokens of equal score are found together, as in scikit-learn.

        Returns:
          A number in [0, 1]; NaN when there are no positives, or if a score is no number.
        """
        self._merge_pending()
        negatives, positives = self._counts[:, ::-1].astype(np.float64)  # [bins], from the highest
        if not positives.sum() or self._undefined:
            return float("nan")
        found = np.cumsum(positives)
        precision = found / (found + np.cumsum(negatives))
        return float((positives * precision).sum() / positives.sum())

    @property
    def negatives(self) -> int:
        """How many negatives were counted."""
        self._merge_pending()
        return int(self._counts[0].sum())


class Calibration:
    """Expected calibration error over bins of equal width (Guo et al. 2017, equation 3).

    A token's confidence is the probability that it was replaced; a bin's error is the distance
    between its mean confidence and its share of replaced tokens.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((3, _CALIBRATION_BINS))  # tokens, probabilities, positives

    def add(self, logits: npt.NDArray[np.float32], labels: npt.NDArray[np.bool_]) -> None:
        """Counts tokens; both are [N]."""
        probabilities = 0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64)))  # never overflows
        # What is no number has no bin: it makes the sums of the first NaN, and with them the error.
        places = (np.nan_to_num(probabilities) * _CALIBRATION_BINS).astype(int)
        bins = np.minimum(places, _CALIBRATION_BINS - 1)
        for row, weights in enumerate((None, probabilities, labels)):
            self._sums[row] += np.bincount(bins, weights, _CALIBRATION_BINS)

    def error(self) -> float:
        """A number in [0, 1]; NaN without tokens, or if a logit is no number."""
        tokens, probabilities, positives = self._sums
        if not tokens.sum():
            return float("nan")
        return float(np.abs(probabilities - positives).sum() / tokens.sum())
