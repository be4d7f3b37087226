"""Whether a run fits into memory, and what to do when it does not: the batch that should fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.rules.batches import largest_batch, stretches
from electra_cli.config.schema import Config
from electra_cli.errors import OutOfMemoryError, counted
from electra_cli.memory_limits import GIB, MemoryLimit, device_limit, memory_limit
from electra_cli.modeling.budget import Budget, Compute
from electra_cli.training.devices.gpus import called

if TYPE_CHECKING:
    import tensorflow as tf

AnyConfig = Config | FinetuneConfig
BudgetOf = Callable[..., Budget]  # of a configuration, its replicas, its type; `compiled`

_USABLE = 0.9  # of a machine's memory; the rest is the system's
_MOST_PARTS = 10**6  # whoever needs more has mistyped the batch
_KEY = "train.accumulation_steps"
_RECOMPUTES = "model.gradient_checkpointing"


@dataclass(frozen=True)
class Memory:
    """What a run needs and has.

    Attributes:
      config: The configuration.
      budget: What a configuration costs, by its replicas and its precision.
      length: Tokens of a row.
      precision: The compute type.
      replicas: Copies of the model.
      here: Those of this process.
      limit: Of the process, or of each replica's device; None if nobody tells.
    """

    config: AnyConfig
    budget: BudgetOf
    length: int
    precision: Compute
    replicas: int
    here: int = 1
    limit: MemoryLimit | None = None

    @property
    def needed(self) -> int:
        """An estimate in bytes: of the process on a CPU, of a replica's device elsewhere."""
        return self._needed(self.config)

    @property
    def is_doubtful(self) -> bool:
        """Whether the run may not fit."""
        return self.limit is not None and self.needed > self.limit.doubtful

    @property
    def is_impossible(self) -> bool:
        """Whether it cannot."""
        return self.limit is not None and self.needed > self.limit.impossible

    def shortage(self, *, begun: bool) -> tuple[str, str]:
        """Says how much is needed and there, and what to type; `begun`: the run has a folder."""
        rows = self._rows
        needed = f"{counted(rows, 'row')} of {self.length} tokens at once need about "
        message = f"{needed}{self.needed / GIB:,.2f} GiB"
        if self.limit is None:
            remedy, message = "use a device with more memory", f"{message} a replica"
        else:
            remedy = self.limit.remedy
            message += f", and {self.limit.words} {self.limit.bytes / GIB:,.2f} GiB"
        fitting = self._fitting()
        if rows == 1 or fitting == 0:
            smaller = "" if self.config.preset == "tiny" else ", such as --preset tiny"
            ways = [self._computing_again(), f"use a smaller model{smaller}, or {remedy}"]
            return message, "; or ".join(filter(None, ways))
        batch = fitting * self.replicas
        new = f"{'start a new run with ' if begun else ''}--batch-size {batch}"
        if self.config.train.batch_schedule is not None:
            new += " --set train.batch_schedule=null"
        ways = [self._computing_again(), new, remedy]
        if parts := self._parts(fitting):
            kept = f"keep the batch and compute it in parts: --set {_KEY}={parts}"
            ways.insert(0, kept + (f" --allow-config-change {_KEY}" if begun else ""))
        return f"{message}; a batch of {batch:,} should fit", "; or ".join(filter(None, ways))

    def _parts(self, fitting: int) -> int | None:
        """The fewest parts, of at most `fitting` rows, that every batch divides into."""
        share = largest_batch(self.config.train) // self.replicas
        rows = math.gcd(*(found.rows // self.replicas for found in stretches(self.config.train)))
        parts = range(-(-share // fitting), min(rows, _MOST_PARTS) + 1)
        return next((n for n in parts if rows % n == 0), None)

    def _computing_again(self) -> str:
        """How to keep less and take longer, where that is enough; or nothing."""
        if not isinstance(self.config, Config) or self.config.model.gradient_checkpointing:
            return ""
        needed = self._needed(self.config.replaced({_RECOMPUTES: True}))
        if self.limit is not None and needed > self.limit.doubtful * _USABLE:
            return ""
        return f"compute layers again in the backward pass: --set {_RECOMPUTES}=true"

    def error(self, what: str, *, begun: bool) -> OutOfMemoryError:
        """The error for a run that does not fit, beginning with `what`."""
        message, hint = self.shortage(begun=begun)
        return OutOfMemoryError(f"{what}: {message}", hint=hint)

    @property
    def _rows(self) -> int:
        train = self.config.train
        return largest_batch(train) // self.replicas // train.accumulation_steps

    def _fitting(self) -> int:
        """The most rows at once that should fit, a power of two below those that do not; or 0."""
        fitting = 1 << (self._rows - 1).bit_length() >> 1
        while fitting and self.limit is not None and not self._fits(fitting, self.limit):
            fitting //= 2
        return fitting

    def _fits(self, rows: int, limit: MemoryLimit) -> bool:
        batch: dict[str, int | None] = {"train.batch_size": rows * self.replicas, _KEY: 1}
        if isinstance(self.config, Config):
            batch["train.batch_schedule"] = None
        return self._needed(self.config.replaced(batch)) <= limit.doubtful * _USABLE

    def _needed(self, config: AnyConfig) -> int:
        budget = self.budget(config, self.replicas, self.precision)
        if self.limit is None or not self.limit.shared:
            return budget.memory_bytes
        return budget.process_bytes + self.here * budget.memory_bytes


def memory_of(
    config: AnyConfig,
    budget: BudgetOf,
    *,
    length: int,
    precision: Compute,
    replicas: int,
    strategy: tf.distribute.Strategy,
) -> Memory:
    """What a run needs and has on the devices of a strategy; see `Memory`."""
    devices = strategy.extended.worker_devices
    limit = _limit_of(devices)
    return Memory(config, budget, length, precision, replicas, min(replicas, len(devices)), limit)


def _limit_of(devices: Sequence[str]) -> MemoryLimit | None:
    """The limit on devices: of the process for a CPU, else of the device that has least."""
    import tensorflow as tf

    if tf.DeviceSpec.from_string(devices[0]).device_type == "CPU":
        return memory_limit()
    sizes = _bytes_of(devices)
    if not sizes:
        return None
    least = min(sizes, key=lambda name: sizes[name])
    return device_limit(sizes[least], called(least))


def _bytes_of(devices: Sequence[str]) -> dict[str, int]:
    """What TensorFlow can have of each device's memory, where it says.

    That is what was free when it began, less what it leaves to the driver, and of a divided card
    what belongs to the instance. It may do without for a while: memory grows.
    """
    from tensorflow.python.client import pywrap_tf_session as told
    from tensorflow.python.eager import context
    from tensorflow.python.pywrap_tfe import TFE_ContextListDevices

    # What is public tells only how much is used.
    begun = context.context()
    begun.ensure_initialized()
    there = TFE_ContextListDevices(begun._handle)
    sizes = {
        told.TF_DeviceListName(there, index): told.TF_DeviceListMemoryBytes(there, index)
        for index in range(told.TF_DeviceListCount(there))
    }
    return {name: size for name, size in sizes.items() if name in devices and size > 0}
