"""The datasets of a training run and of a validation pass.

Shapes: B rows of one replica's batch, S sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from electra_cli.config.rules.batches import Sizes, Stretch, stretch_at
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import ConfigError
from electra_cli.inputs import order
from electra_cli.inputs.store import RowStore, store_of


@dataclass(frozen=True)
class Share:
    """The rows of every global batch that one input pipeline makes.

    Attributes:
      global_batch_size: Rows of one update over all replicas.
      replicas: Replicas over all pipelines.
      first_replica: The first replica that this pipeline feeds.
      local_replicas: How many replicas it feeds.
    """

    global_batch_size: int
    replicas: int = 1
    first_replica: int = 0
    local_replicas: int = 1

    @property
    def rows(self) -> int:
        """Rows of one replica's batch; in validation the last replica's may be filled up."""
        return -(-self.global_batch_size // self.replicas)

    @classmethod
    def from_context(
        cls, global_batch_size: int, context: tf.distribute.InputContext | None
    ) -> Share:
        """The share of the pipeline that tf.distribute asks for."""
        if context is None:
            return cls(global_batch_size)
        local = context.num_replicas_in_sync // context.num_input_pipelines
        return cls(
            global_batch_size,
            replicas=context.num_replicas_in_sync,
            first_replica=context.input_pipeline_id * local,
            local_replicas=local,
        )


def training_dataset(
    manifest: Manifest,
    share: Share,
    *,
    seed: int,
    start_step: int,
    stretch: Stretch | None = None,
    word_starts: bool = False,
) -> tf.data.Dataset:
    """An endless dataset of training batches of one size that begins at any step.

    Args:
      manifest: The manifest of a prepared folder.
      share: This pipeline's rows of each global batch.
      seed: The run's seed; with the step it decides the order.
      start_step: The step of the first batch.
      stretch: The updates of this size, among others; None if all of a run have it.
      word_starts: Whether batches say where words begin.

    Returns:
      Batches of one replica in turn: input_ids [B, S] int32, example_index [B] int64, step [B]
      int64 and, if asked for, word_starts [B, S] bool.

    Raises:
      ConfigError: The replicas cannot share the batch evenly.
    """
    if share.global_batch_size % share.replicas:
        raise ConfigError(
            f"global batch size {share.global_batch_size} is not divisible by "
            f"{share.replicas} replicas",
            hint=f"use a multiple of {share.replicas}",
        )
    store = store_of(manifest, "train")
    examples = len(store)

    of_size = stretch or Stretch(share.global_batch_size, first_step=0, first_row=0)

    def choose(step: int, replica: int) -> npt.NDArray[np.int64]:
        first = of_size.rows_before(step) + replica * share.rows
        positions = np.arange(first, first + share.rows, dtype=np.int64)
        return order.examples_at(positions, examples=examples, seed=seed)

    def load(turn: tf.Tensor) -> dict[str, tf.Tensor]:
        step = turn // share.local_replicas
        replica = share.first_replica + turn % share.local_replicas
        return batch([step, replica], step)

    batch = _batches(store, choose, share.rows, word_starts)
    turns = tf.data.Dataset.counter(start_step * share.local_replicas, dtype=tf.int64)
    return untuned(turns.map(load, num_parallel_calls=2, deterministic=True).prefetch(4))


def stretch_of(train: Sizes, share: Share, step: int) -> Stretch | None:
    """The updates of one size to which that after a step belongs; None if all have one size.

    Raises:
      ConfigError: The batch that is shared is of another size.
    """
    if train.batch_schedule is None:
        return None
    stretch = stretch_at(train, step)
    if stretch.rows != share.global_batch_size:
        raise ConfigError(
            f"global batch size {share.global_batch_size} at step {step}, where "
            f"train.batch_schedule {train.batch_schedule} has {stretch.rows}",
            hint=f"set global_batch_size to {stretch.rows}, or batch_schedule to null; only "
            "ElectraTrainer changes it on the way",
        )
    return stretch


def validation_dataset(
    manifest: Manifest, share: Share, *, word_starts: bool = False
) -> tf.data.Dataset:
    """One pass over the held-out rows, in order, each row once over all pipelines.

    The last batches are filled with empty rows (all padding, example index -1), which count
    nowhere, so that every replica gets the same number of batches of the same shape.

    Returns:
      Batches as in `training_dataset`, with step 0.
    """
    store = store_of(manifest, "validation")
    examples = len(store)
    together = share.rows * share.replicas
    steps = -(-examples // together)

    def choose(turn: int) -> npt.NDArray[np.int64]:
        step, replica = divmod(int(turn), share.local_replicas)
        first = step * together + (share.first_replica + replica) * share.rows
        indices = np.arange(first, first + share.rows, dtype=np.int64)
        indices[indices >= examples] = -1
        return indices

    def load(turn: tf.Tensor) -> dict[str, tf.Tensor]:
        return batch([turn], tf.zeros([], tf.int64))

    batch = _batches(store, choose, share.rows, word_starts)
    turns = tf.data.Dataset.range(steps * share.local_replicas)
    return untuned(turns.map(load, num_parallel_calls=1, deterministic=True).prefetch(4))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Leaves out the thread that tunes a pipeline: there is nothing to tune.

    It sleeps for ever longer, and an iterator that goes waits for it, for many seconds.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _batches(
    store: RowStore,
    choose: Callable[..., npt.NDArray[np.int64]],
    rows: int,
    word_starts: bool,
) -> Callable[[list[tf.Tensor], tf.Tensor], dict[str, tf.Tensor]]:
    """Returns a function of (arguments of `choose`, step) that makes the batch of those rows."""
    types = {"input_ids": tf.int32} | ({"word_starts": tf.bool} if word_starts else {})

    def read(*arguments: int) -> tuple[npt.NDArray[Any], ...]:
        indices = choose(*arguments)
        found = store.gather_words(indices) if word_starts else (store.gather(indices),)
        return indices, *found

    def batch(arguments: list[tf.Tensor], step: tf.Tensor) -> dict[str, tf.Tensor]:
        indices, *columns = tf.numpy_function(read, arguments, [tf.int64, *types.values()])
        # A Python function cannot promise shapes.
        columns = [tf.ensure_shape(column, [rows, store.sequence_length]) for column in columns]
        return dict(zip(types, columns, strict=True)) | {  # [B, S]
            "example_index": tf.ensure_shape(indices, [rows]),  # [B]
            "step": tf.fill([rows], step),  # [B]
        }

    return batch
