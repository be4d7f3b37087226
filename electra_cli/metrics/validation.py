"""Corpus-level validation metrics: sums over all tokens, never means of batch means.

Shapes: B rows, S sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from electra_cli.errors import DataError
from electra_cli.metrics.breakdown import Breakdown, Flags
from electra_cli.metrics.tokens import TokenSums

_SHARED = ("input_ids", "input_mask")


class LossPart(NamedTuple):
    """A part of the total loss: empty sums, what their results are called, and its weight.

    The metric `broken_down` is also given for groups of tokens.
    """

    sums: TokenSums
    names: Mapping[str, str]
    broken_down: str
    weight: float


def joined(value: Any) -> npt.NDArray:
    """The replicas' parts of a log as one array, along the batch."""
    parts = value if isinstance(value, tuple | list) else (value,)
    return np.concatenate([np.asarray(part) for part in parts], axis=0)  # [B, ...]


class ValidationState:
    """What is known after any number of validation steps, in constant memory.

    Args:
      total: Name of the total loss.
      parts: What it is made of.
      vocab_size: V.
      continuations: [V], which word pieces continue a word; None if that is not known.
    """

    def __init__(
        self,
        total: str,
        parts: Sequence[LossPart],
        vocab_size: int,
        continuations: Flags | None = None,
    ) -> None:
        self._total = total
        self._parts = parts
        self._breakdown = Breakdown([p.broken_down for p in parts], vocab_size, continuations)
        self._is_empty = True

    def add(self, logs: Mapping[str, Any]) -> None:
        """Adds the tokens of one step.

        Args:
          logs: input_ids and input_mask, [B, S], and what the parts' sums read. A value may be a
            tuple with one tensor for each replica; they are joined along the batch.

        Raises:
          DataError: One of them is missing.
        """
        wanted = (*_SHARED, *(name for part in self._parts for name in part.sums.logs))
        missing = [name for name in wanted if name not in logs]
        if missing:
            raise DataError(
                f"the logs of a validation step lack {', '.join(missing)}; they have "
                f"{', '.join(sorted(logs))}",
                hint="pass what validation_step returned, whole",
            )
        arrays = {name: joined(logs[name]) for name in wanted}
        ids = arrays["input_ids"]  # [B, S]
        self._is_empty = False
        self._breakdown.count_frequencies(ids[arrays["input_mask"] > 0])
        for part in self._parts:
            count_hits = partial(self._breakdown.add, part.broken_down, length=ids.shape[1])
            part.sums.add(arrays, count_hits)

    def result(self) -> dict[str, float]:
        """All metrics by name; a ratio without anything below the line is NaN."""
        found = {self._total: 0.0}
        for part in self._parts:
            nothing = dict.fromkeys(part.names, float("nan"))
            values = nothing if self._is_empty else part.sums.result()
            found[self._total] += part.weight * values["loss"]
            found |= {name: values[key] for key, name in part.names.items()}
        return found | self._breakdown.result()
