"""Shares of hits among groups of tokens: by frequency, by position, by place in the word.

Hits are counted for every word piece and every position, so the groups can be formed at the end,
when the frequencies are known, and memory does not grow with the validation set.

Shapes: N tokens, V vocabulary, S sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.names import BANDS, FREQUENCY_BANDS, POSITION_BANDS

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Breakdown:
    """Counts for metrics by each of BANDS.

    Args:
      metrics: Their names.
      vocab_size: V.
      continuations: [V], which word pieces continue a word; None if that is not known.
    """

    def __init__(
        self, metrics: Sequence[str], vocab_size: int, continuations: Flags | None = None
    ) -> None:
        self._continuations = continuations
        self._frequency = np.zeros(vocab_size, np.int64)  # [V]
        # By metric: [tokens and hits, V] and [tokens and hits, S].
        self._by_piece = {name: np.zeros((2, vocab_size), np.int64) for name in metrics}
        self._by_position: dict[str, Ints] = {}

    def count_frequencies(self, ids: Ints) -> None:
        """Counts the original text's tokens, [N]."""
        self._frequency += np.bincount(ids, minlength=len(self._frequency))

    def add(self, metric: str, ids: Ints, positions: Ints, hits: Flags, *, length: int) -> None:
        """Counts tokens that a metric is about.

        Args:
          metric: One of them.
          ids: Original tokens, [N].
          positions: Their places in the row, [N].
          hits: Whether the network was right, [N].
          length: S.
        """
        by_position = self._by_position.setdefault(metric, np.zeros((2, length), np.int64))
        for counts, keys in ((self._by_piece[metric], ids), (by_position, positions)):
            counts[0] += np.bincount(keys, minlength=counts.shape[1])
            counts[1] += np.bincount(keys[hits], minlength=counts.shape[1])

    def result(self) -> dict[str, float]:
        """By METRIC/BAND; NaN for a group without tokens."""
        order = np.argsort(-self._frequency, kind="stable")  # [V], ties by id
        rank = np.empty_like(order)
        rank[order] = np.arange(1, len(order) + 1)  # [V], from 1
        found = {}
        for metric, pieces in self._by_piece.items():  # [2, V]
            positions = self._by_position.get(metric, np.zeros((2, 0), np.int64))  # [2, S]
            quarter = np.arange(positions.shape[1]) * POSITION_BANDS // max(1, positions.shape[1])
            groups = [
                pieces[:, (rank >= first) & (rank <= (last or len(rank)))]
                for first, last in FREQUENCY_BANDS
            ]
            groups += [positions[:, quarter == number] for number in range(POSITION_BANDS)]
            if self._continuations is None:
                groups += [np.zeros((2, 0), np.int64)] * 2
            else:
                groups += [pieces[:, ~self._continuations], pieces[:, self._continuations]]
            for band, group in zip(BANDS, groups, strict=True):
                found[f"{metric}/{band}"] = _share(*group.sum(axis=1))
        return found


def _share(tokens: int, hits: int) -> float:
    return float(hits / tokens) if tokens else float("nan")
