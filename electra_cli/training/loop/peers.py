"""The workers of a run from the first step on: what the loss of one looks like, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from electra_cli.cluster.acts import name_of
from electra_cli.cluster.compare import check_same
from electra_cli.cluster.member import Worker
from electra_cli.errors import TrainingError, TryAgainError
from electra_cli.training.devices.failures import Shortage, failures_told
from electra_cli.training.loop.signals import RunStoppedError
from electra_cli.training.plan.outlook import Outlook

# What TensorFlow says of a peer that is gone, whatever it was doing.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_MOST_SHOWN = 200  # characters


@contextmanager
def failures_named(
    worker: Worker, when: Callable[[], str], shortage: Shortage | None = None
) -> Iterator[None]:
    """Turns what TensorFlow makes of a GPU that fails, or of a lost worker, into an error of ours.

    Args:
      worker: This one; to one that is alone some errors mean something else.
      when: Returns in words where the run was.
      shortage: As of `failures.told`.

    Raises:
      TryAgainError: Another worker was lost.
      ElectraError: A GPU has failed; see `failures.failures_told`.
    """
    try:
        with failures_told(when, shortage):  # first: some say UNAVAILABLE too
            yield
    except _LOST as error:
        if worker.is_alone:
            raise
        reason = str(error.message).split("\n")[0][:_MOST_SHOWN]
        raise TryAgainError(
            f"another worker was lost {when()}: {reason}",
            hint="start all workers again; the run goes on from its last checkpoint",
        ) from error


def compare_devices(
    worker: Worker,
    outlook: Outlook,
    strategy: tf.distribute.Strategy,
    warn: Callable[[str], None],
) -> None:
    """Makes sure that all workers compute in the same way, and warns of those with little memory.

    Raises:
      ConfigError: Devices, precision or compilation differ.
    """
    kinds = [tf.DeviceSpec.from_string(d).device_type for d in strategy.extended.worker_devices]
    facts = {"devices": kinds, "precision": outlook.precision, "xla": outlook.xla}
    check_same(worker, {"devices": facts})
    for index, shortage in enumerate(worker.gather("memory", outlook.shortage)):
        if shortage is not None:
            warn(shortage if index == worker.index else f"{name_of(worker, index)}: {shortage}")


@contextmanager
def leaving_together(worker: Worker) -> Iterator[None]:
    """Lets no worker leave before the chief has written what there is to write.

    That is so where all of them leave; where one alone fails the others are told of it.
    """
    try:
        yield
    except (TrainingError, RunStoppedError):
        worker.gather("leave", None)
        raise
    worker.gather("leave", None)
