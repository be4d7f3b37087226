"""Labelled rows in memory; without TensorFlow, so that preparing them needs none.

Shapes: N rows of a split, B rows of a replica's batch, S sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a split.

    Attributes:
      columns: By name, the first axis N: input_ids, input_mask and segment_ids, [N, S] int32, and
        the labels of the kind of task.
    """

    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    @property
    def length(self) -> int:
        """S."""
        return self.columns["input_ids"].shape[1]

    def take(self, indices: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        """The rows at some places, zeros for a place of -1; [B, ...] each."""
        there = indices >= 0
        found = {name: column[indices] for name, column in self.columns.items()}
        for column in found.values():
            column[~there] = 0
        return found
