"""Batches of labelled rows.

Shapes: B rows of a replica's batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from electra_cli.inputs import order
from electra_cli.inputs.labelled_rows import LabelledRows
from electra_cli.inputs.rows import Share, untuned


def training_batches(
    rows: LabelledRows, share: Share, *, seed: int, start_step: int
) -> tf.data.Dataset:
    """An endless dataset of training batches that begins at any step.

    Args:
      rows: The training data.
      share: This pipeline's rows of each global batch.
      seed: With the step it decides the order.
      start_step: The step of the first batch.

    Returns:
      Batches of one replica in turn: the columns, [B, ...]; example_index, step, seed, [B] int64.
    """

    def choose(turn: int) -> npt.NDArray[np.int64]:
        step, replica = divmod(int(turn), share.local_replicas)
        first = step * share.global_batch_size + (share.first_replica + replica) * share.rows
        positions = np.arange(first, first + share.rows, dtype=np.int64)
        return order.examples_at(positions, examples=len(rows), seed=seed)

    turns = tf.data.Dataset.counter(start_step * share.local_replicas, dtype=tf.int64)
    return _batches(rows, share, turns, choose, seed=seed)


def evaluation_batches(rows: LabelledRows, share: Share) -> tf.data.Dataset:
    """One pass over all rows in order; the last batches are filled up, with example_index -1."""
    together = share.rows * share.replicas
    steps = -(-len(rows) // together)

    def choose(turn: int) -> npt.NDArray[np.int64]:
        step, replica = divmod(int(turn), share.local_replicas)
        first = step * together + (share.first_replica + replica) * share.rows
        indices = np.arange(first, first + share.rows, dtype=np.int64)
        indices[indices >= len(rows)] = -1
        return indices

    return _batches(rows, share, tf.data.Dataset.range(steps * share.local_replicas), choose)


def _batches(
    rows: LabelledRows,
    share: Share,
    turns: tf.data.Dataset,
    choose: Callable[[int], npt.NDArray[np.int64]],
    *,
    seed: int = 0,
) -> tf.data.Dataset:
    types = {name: tf.as_dtype(column.dtype) for name, column in rows.columns.items()}

    def read(turn: int) -> tuple[npt.NDArray[Any], ...]:
        indices = choose(turn)
        return indices, *rows.take(indices).values()

    def batch(turn: tf.Tensor) -> dict[str, tf.Tensor]:
        indices, *columns = tf.numpy_function(read, [turn], [tf.int64, *types.values()])
        step = turn // share.local_replicas
        # A Python function cannot promise shapes.
        return {
            name: tf.ensure_shape(column, [share.rows, *rows.columns[name].shape[1:]])
            for name, column in zip(types, columns, strict=True)  # [B, ...]
        } | {
            "example_index": tf.ensure_shape(indices, [share.rows]),  # [B]
            "step": tf.fill([share.rows], step),  # [B]
            "seed": tf.fill([share.rows], tf.constant(seed, tf.int64)),  # [B]
        }

    return untuned(turns.map(batch, num_parallel_calls=1, deterministic=True).prefetch(4))
