"""Shares of hits among groups of tokens: by frequency, by position, by place in the word.

Hits are counted for every word piece and every position, so the groups can be formed at the end,
when the frequencies are known, and memory does not grow with the validation set.

Shapes: N tokens, V vocabulary, S sequence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.names import (
    BANDS,
    BREAKDOWNS,
    BROKEN_DOWN,
    FREQUENCY_BANDS,
    POSITION_BANDS,
)

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Breakdown:
    """Counts for all of BREAKDOWNS.

    Args:
      vocab_size: V.
      continuations: [V], which word pieces continue a word; None if that is not known.
    """

    def __init__(self, vocab_size: int, continuations: Flags | None = None) -> None:
        self._continuations = continuations
        self._frequency = np.zeros(vocab_size, np.int64)  # [V]
        # By metric: [tokens and hits, V] and [tokens and hits, S].
        self._by_piece = {name: np.zeros((2, vocab_size), np.int64) for name in BROKEN_DOWN}
        self._by_position: dict[str, Ints] = {}

    def count_frequencies(self, ids: Ints) -> None:
        """Counts the original text's tokens, [N]."""
        self._frequency += np.bincount(ids, minlength=len(self._frequency))

    def add(self, metric: str, ids: Ints, positions: Ints, hits: Flags, *, length: int) -> None:
        """Counts tokens that a metric is about.

        Args:
          metric: One of BROKEN_DOWN.
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
        """All of BREAKDOWNS; NaN for a group without tokens."""
        order = np.argsort(-self._frequency, kind="stable")  # [V], ties by id
        rank = np.empty_like(order)
        rank[order] = np.arange(1, len(order) + 1)  # [V], from 1
        values = []
        for metric in BROKEN_DOWN:
            pieces = self._by_piece[metric]  # [2, V]
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
            assert len(groups) == len(BANDS)
            values += [_share(*group.sum(axis=1)) for group in groups]
        return dict(zip(BREAKDOWNS, values, strict=True))


def _share(tokens: int, hits: int) -> float:
    return float(hits / tokens) if tokens else float("nan")
