"""A trainer's place among the workers of its run.

A trainer talks to nobody but its supervisor, over a socket that it was born with, and says one kind
of thing: here is my value, give me everyone's. All that workers agree on is made of that.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.machine.processes import die_with_parent
from electra_cli.cluster.protocol import Message, NoMessageError, packed, receive_now
from electra_cli.errors import TryAgainError, exit_code_of

CHANNEL = "ELECTRA_CLUSTER_CHANNEL"
"""The variable by which a supervisor tells its trainer of their socket: FD:PID-OF-SUPERVISOR."""


@dataclass(frozen=True)
class Stop:
    """That all workers are to stop.

    Attributes:
      signal: The number of the signal.
      worker: The index of the worker that it came to.
    """

    signal: int
    worker: int


class Alone:
    """A run without a cluster. It has the interface of `Member`, so nobody asks which it is."""

    cluster: Cluster | None = None
    index = 0
    size = 1
    is_chief = True
    is_alone = True
    stop: Stop | None = None

    def gather(self, topic: str, value: Any) -> list[Any]:
        """The values of all workers."""
        del topic
        return [value]

    def of_chief(self, topic: str, value: Any) -> Any:
        """The value of the chief."""
        del topic
        return value

    def waiting_for(self, what: str, most: float = 0.0, hint: str = "") -> None:
        """Says what comes next."""

    def ready(self) -> None:
        """From now on there is a state to save."""

    def failed(self, error: BaseException) -> None:
        """This worker ends with an error."""


class Member:
    """One of several workers, as its trainer sees it. It is for one thread at a time.

    Args:
      channel: The socket that leads to the supervisor.

    Attributes:
      cluster: All workers.
      index: The number of this one.
      size: How many there are.
      is_chief: Whether this is the one that writes.
      is_alone: Never.
      stop: Set by `gather` as soon as all workers are to stop, at the same gather at each.

    Raises:
      TryAgainError: The supervisor has ended.
    """

    is_alone = False

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._stream = channel.makefile("rb")
        start = self._answer("start")
        self.cluster: Cluster = Cluster(tuple(start["addresses"]), start["index"], start["origin"])
        self.index = self.cluster.index
        self.size = self.cluster.size
        self.is_chief = self.cluster.is_chief
        self.stop: Stop | None = None
        self._path: str | None = start["path"]  # PYTHONPATH, as the user has it

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str]) -> Member | None:
        """The member whose supervisor has started this process; None if none has.

        From then on this process ends with its supervisor, and its own children are no trainers.

        Args:
          environment: All variables; the one that names the socket is taken out, and those that
            were for this process alone are as the user has them.
        """
        if (place := environment.pop(CHANNEL, None)) is None:
            return None
        descriptor, _, supervisor = place.partition(":")
        die_with_parent(int(supervisor))
        os.set_inheritable(int(descriptor), False)
        member = cls(socket.socket(fileno=int(descriptor)))
        environment.pop("PYTHONPATH", None)
        if member._path is not None:
            environment["PYTHONPATH"] = member._path
        return member

    def gather(self, topic: str, value: Any) -> list[Any]:
        """Waits for all workers, and gives each of them the values of all.

        Args:
          topic: What the value is; all workers have to name the same one at the same time.
          value: Anything that JSON can hold.

        Returns:
          The values in the order of the workers, as JSON gives them back: tuples are lists.

        Raises:
          TryAgainError: The supervisor has ended.
        """
        self._say("gather", topic=topic, value=value)
        answer = self._answer("answer")
        if answer["stop"] is not None:
            self.stop = Stop(*answer["stop"])
        return answer["values"]

    def of_chief(self, topic: str, value: Any) -> Any:
        """The value of the chief; the others give any."""
        return self.gather(topic, value if self.is_chief else None)[0]

    def waiting_for(self, what: str, most: float = 0.0, hint: str = "") -> None:
        """Says what comes next, and how long that takes at most; then all workers end with 75.

        The supervisor counts, which TensorFlow never holds. The seconds begin anew with each call
        and at the end of each gather, and stand still within one.

        Args:
          what: What comes next, for the message.
          most: Seconds; 0 for any number.
          hint: What to do if it took longer.
        """
        self._say("waiting", what=what, most=most, hint=hint)

    def ready(self) -> None:
        """From now on there is a state to save: a signal stops all workers at their next gather.

        Before, it ends them at once.
        """
        self._say("ready")

    def failed(self, error: BaseException) -> None:
        """Tells the other workers with what error this one ends; call it before showing the error.

        It returns once this worker may show it. An error that comes of another worker's is not
        shown: the supervisor ends this process in here, and names the other one.
        """
        self._say("failed", code=exit_code_of(error), message=str(error) or type(error).__name__)
        self._answer("noted")

    def _say(self, kind: str, **parts: Any) -> None:
        try:
            self._channel.sendall(packed(kind, **parts))
        except OSError as error:
            raise _without_supervisor() from error

    def _answer(self, kind: str) -> Message:
        try:
            message = receive_now(self._stream)
        except (OSError, NoMessageError) as error:
            raise _without_supervisor() from error
        if message is None or message["kind"] != kind:
            raise _without_supervisor()
        return message


Worker = Alone | Member


def _without_supervisor() -> TryAgainError:
    return TryAgainError(
        "the process that watches over this worker has ended",
        hint="start all workers again; the run goes on from its last checkpoint",
    )
