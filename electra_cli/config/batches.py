"""Whether the batch of an update can be shared out."""

from __future__ import annotations

from typing import Protocol

from electra_cli.errors import ConfigError, counted


class Batches(Protocol):
    """What a section `train` says of batches."""

    @property
    def batch_size(self) -> int:
        """Rows in an update."""

    @property
    def accumulation_steps(self) -> int:
        """Parts it is computed in."""


def check_batch(train: Batches, replicas: int) -> None:
    """Checks that an update's batch can be shared out evenly.

    Args:
      train: The section `train` of a configuration.
      replicas: Copies of the model that train together.

    Raises:
      ConfigError: The batch is not a multiple of replicas × accumulation steps.
    """
    batch, parts = train.batch_size, train.accumulation_steps
    divisor = replicas * parts
    if batch % divisor:
        above = (batch // divisor + 1) * divisor
        choices = f"{above - divisor} or {above}" if batch > divisor else f"{above}"
        raise ConfigError(
            f"batch size {batch} is not divisible by {counted(replicas, 'replica')} × "
            f"{counted(parts, 'accumulation step')} = {divisor}; use {choices}",
            hint=f"add --batch-size {above}, or change train.accumulation_steps",
        )
