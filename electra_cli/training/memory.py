"""What to do when memory runs out: the batch that should fit."""

from __future__ import annotations

import os

import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.errors import OutOfMemoryError
from electra_cli.modeling.budget import Compute, budget_of

_GIB = 2**30
_USABLE = 0.9  # of a machine's memory; the rest is the system's


def out_of_memory(
    config: Config, *, replicas: int, precision: Compute, step: int, available: int | None
) -> OutOfMemoryError:
    """The error for a step that did not fit.

    Args:
      config: The configuration.
      replicas: Copies of the model.
      precision: The compute type.
      step: Updates done.
      available: Bytes a replica can have; None if nobody knows.
    """
    rows = config.train.batch_size // replicas // config.train.accumulation_steps

    def needed(rows: int) -> int:
        batch = {"train.batch_size": rows * replicas, "train.accumulation_steps": 1}
        return budget_of(
            config.replaced(batch), replicas=replicas, precision=precision
        ).memory_bytes

    fitting = 1 << max(0, rows.bit_length() - 1)
    if fitting == rows:  # which was too much
        fitting = max(1, fitting // 2)
    while fitting > 1 and available is not None and needed(fitting) > available * _USABLE:
        fitting //= 2
    there = "" if available is None else f", there are {available / _GIB:,.2f} GiB"
    message = (
        f"out of memory at step {step}: {rows} rows of {config.data.sequence_length} tokens at "
        f"once need about {needed(rows) / _GIB:,.2f} GiB a replica{there}"
    )
    if rows == 1:
        return OutOfMemoryError(message, hint="use a smaller model, or a device with more memory")
    share = config.train.batch_size // replicas
    parts = next(n for n in range(1, share + 1) if share % n == 0 and share // n <= fitting)
    key = "train.accumulation_steps"
    return OutOfMemoryError(
        f"{message}; a batch of {fitting * replicas} should fit",
        hint=f"keep the batch and compute it in parts: --set {key}={parts} "
        f"--allow-config-change {key}; or start a new run with --batch-size {fitting * replicas}",
    )


def available_memory(strategy: tf.distribute.Strategy) -> int | None:
    """Bytes that a replica can have; None where TensorFlow does not tell, as for GPUs."""
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    if device.device_type != "CPU":
        return None
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total // strategy.num_replicas_in_sync
