"""The workers of a run from the first step on: what the loss of one looks like, and their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from electra_cli.cluster.member import Worker
from electra_cli.errors import TrainingError, TryAgainError
from electra_cli.training.loop.signals import RunStoppedError

# What TensorFlow says of a peer that is gone, whatever it was doing.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_MOST_SHOWN = 200  # characters


@contextmanager
def lost_peers_named(worker: Worker, when: Callable[[], str]) -> Iterator[None]:
    """Turns what TensorFlow makes of a lost worker into an error of ours.

    Args:
      worker: This one; to one that is alone the same errors mean something else.
      when: Returns in words where the run was.

    Raises:
      TryAgainError: Another worker was lost.
    """
    try:
        yield
    except _LOST as error:
        if worker.is_alone:
            raise
        reason = str(error.message).split("\n")[0][:_MOST_SHOWN]
        raise TryAgainError(
            f"another worker was lost {when()}: {reason}",
            hint="start all workers again; the run goes on from its last checkpoint",
        ) from error


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
