"""Steps that changed nothing: counted in the graph, and when there are too many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# A run has diverged when it has skipped more steps than this share of the last ones; so many in a
# row are among them.
WINDOW, MOST_SKIPPED = 1000, 10


class Skips:
    """Counts, in this process, the steps whose loss or gradient was not finite.

    Args:
      logged: Names of the logs that are kept of the step at which there are too many.
    """

    def __init__(self, logged: Sequence[str]) -> None:
        zero = np.int64(0)
        self._skipped = replica_variable(zero, "counts/skipped_steps")
        self._in_a_row = replica_variable(zero, "counts/skipped_in_a_row")
        # Overflows met while float16's loss scale was searched.
        self._overflows = replica_variable(zero, "counts/overflow_steps")
        self._last = replica_variable(np.full([MOST_SKIPPED + 1], -WINDOW, np.int64), "last_skips")
        self._diverged_at = replica_variable(zero, "diverged_at")
        self._at_divergence = {name: replica_variable(0.0, f"diverged/{name}") for name in logged}

    def count(self, logs: dict[str, tf.Tensor], step: tf.Tensor) -> None:
        """Counts a step, within the graph, so that it does not depend on where a loop ends.

        Args:
          logs: Of the step; `applied` and `overflowed` say what came of its update.
          step: Its number, scalar int64.
        """
        applied, overflowed = logs["applied"], logs["overflowed"]
        skipped = tf.cast(~(applied | overflowed), tf.int64)
        self._skipped.assign_add(skipped)
        self._overflows.assign_add(tf.cast(overflowed, tf.int64))
        # An overflow of the search for a loss scale neither continues a row nor ends one.
        self._in_a_row.assign(tf.where(applied, tf.zeros_like(skipped), self._in_a_row + skipped))
        before = tf.identity(self._last)  # [11], by step
        skips = tf.where(skipped > 0, tf.concat([before[1:], [step]], axis=0), before)  # [11]
        self._last.assign(skips)
        diverged = (skipped > 0) & (skips[0] > step - WINDOW) & tf.equal(self._diverged_at, 0)
        for name, variable in self._at_divergence.items():
            variable.assign(tf.where(diverged, logs[name], variable))
        self._diverged_at.assign(tf.where(diverged, step, self._diverged_at))

    def reset(self) -> None:
        """Counts from zero."""
        for variable in (self._skipped, self._in_a_row, self._overflows, self._diverged_at):
            variable.assign(0)
        self._last.assign(np.full([MOST_SKIPPED + 1], -WINDOW, np.int64))

    def totals(self) -> dict[str, int]:
        """Up to now: steps skipped, those of them just now in a row, and overflows."""
        return {
            "skipped_steps": self._skipped.numpy().item(),
            "skipped_in_a_row": self._in_a_row.numpy().item(),
            "overflow_steps": self._overflows.numpy().item(),
        }

    @property
    def divergence(self) -> dict[str, float] | None:
        """Step and logs of the step at which too many were skipped; None if none was."""
        step = int(self._diverged_at.numpy())
        logs = {name: variable.numpy().item() for name, variable in self._at_divergence.items()}
        return {"step": step, **logs} if step else None


def replica_variable(value: Any, name: str) -> tf.Variable:
    """A variable that replicas need not agree on: all of them assign the same."""
    return tf.Variable(
        value,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
