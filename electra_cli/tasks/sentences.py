"""A few held-out rows, and what the networks made of every token of them.

Shapes: S sequence, M masked positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.validation import joined
from electra_cli.runs.held_out import Sentence, Token

SENTENCES = 10

_Arrays = Mapping[str, npt.NDArray[Any]]


class SentenceCollector:
    """Picks rows out of an evaluation, spread evenly over it: the same ones in each.

    Args:
      rows: Of the whole evaluation; rows that fill its last batches come behind these.
      tokens: What is shown of each token of the vocabulary, `TextIds.texts`.

    Attributes:
      found: What was picked so far.
    """

    def __init__(self, rows: int, tokens: Sequence[str]) -> None:
        number = min(SENTENCES, rows)
        self._wanted = [place * rows // number for place in range(number)]
        self._tokens = tokens
        self._seen = 0
        self.found: list[Sentence] = []

    def add(self, logs: Mapping[str, Any]) -> None:
        """Looks at the rows of one step.

        Args:
          logs: What `objective.validation_logs` returned, of the rows that follow those of the last
            call; a value may be a tuple with one tensor for each replica.
        """
        ids = logs["input_ids"]
        first = self._seen
        self._seen += sum(len(part) for part in ids) if isinstance(ids, tuple | list) else len(ids)
        rows = [row for row in self._wanted if first <= row < self._seen]
        if not rows:
            return  # nothing is copied
        read = {name: joined(logs[name]) for name in _READ if name in logs}  # [B, S] or [B, M]
        for row in rows:
            of_row = {name: array[row - first] for name, array in read.items()}  # [S] or [M]
            self.found.append(Sentence(row, _tokens(of_row, self._tokens)))


_READ = (
    "input_ids",
    "input_mask",
    "masked_lm_positions",
    "masked_lm_weights",
    "masked_lm_predictions",
    "sampled_ids",
    "disc_logits",
)


def _tokens(row: _Arrays, tokens: Sequence[str]) -> list[Token]:
    """The tokens of a row without padding."""
    ids = row["input_ids"]  # [S]
    times, put = np.zeros((2, len(ids)), np.int64)  # [S] each
    if "masked_lm_positions" in row:
        used = row["masked_lm_weights"] > 0  # [M]
        guesses = row["sampled_ids" if "sampled_ids" in row else "masked_lm_predictions"]  # [M]
        np.add.at(times, row["masked_lm_positions"][used], 1)
        np.add.at(put, row["masked_lm_positions"][used], guesses[used])
        put //= np.maximum(times, 1)  # as `inputs.masking.scatter_ids` has it
    suspicions: list[float | None] = [None] * len(ids)
    if "disc_logits" in row:
        logits = row["disc_logits"].astype(np.float64)  # [S]
        shares = 0.5 * (1.0 + np.tanh(0.5 * logits))  # [S], never overflows
        suspicions = [round(share, 4) if isfinite(share) else None for share in shares.tolist()]
    found = zip(
        ids.tolist(), times.tolist(), put.tolist(), suspicions, row["input_mask"], strict=True
    )
    return [
        Token(tokens[original], bool(draws), tokens[sample] if draws else None, suspicion)
        for original, draws, sample, suspicion, is_token in found
        if is_token
    ]
