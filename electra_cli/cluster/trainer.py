"""The process that trains, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

from electra_cli.cluster.addresses import Cluster, split_address
from electra_cli.cluster.ending import AGAIN
from electra_cli.cluster.link import Link
from electra_cli.cluster.machine.processes import is_stopped
from electra_cli.cluster.member import CHANNEL
from electra_cli.cluster.protocol import Message, Timing
from electra_cli.cluster.token import VARIABLE

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Trainer:
    """A process that trains, and the link to it.

    Args:
      name: Of its worker, for messages.
      process: It.
      link: The other end of its channel.
    """

    def __init__(self, name: str, process: Process, link: Link) -> None:
        self._name = name
        self._process = process
        self.link = link
        self._still = self._waited = 0.0  # seconds for which it was stopped, and has waited
        self._what, self._most, self._hint = "", 0.0, ""  # as in `Member.waiting_for`
        self._is_in_gather = False

    @classmethod
    async def started(
        cls, cluster: Cluster, command: Sequence[str], environment: Mapping[str, str]
    ) -> Trainer:
        """Starts it.

        It never meets a signal to stop, which a terminal sends to every process in front of it and
        Slurm to every process of a job: its supervisor decides.

        Args:
          cluster: All workers.
          command: What to run; it calls `Member.of_environment`.
          environment: All variables.
        """
        ours, theirs = socket.socketpair()
        variables = {name: value for name, value in environment.items() if name != VARIABLE}
        variables |= {
            "TF_CONFIG": cluster.tf_config(),
            CHANNEL: f"{theirs.fileno()}:{os.getpid()}",
            "no_grpc_proxy": _unproxied(cluster, environment),
            # As this process finds its modules; never in the working directory for its own sake.
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        # What is blocked here is blocked there, from its first instruction on and in each thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, env=variables, pass_fds=[theirs.fileno()]
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        link = Link(*await asyncio.open_connection(sock=ours))
        place = {"addresses": list(cluster.addresses), "index": cluster.index}
        link.say("start", origin=cluster.origin, path=environment.get("PYTHONPATH"), **place)
        return cls(cluster.names(cluster.index), process, link)

    async def ended(self) -> int:
        """Waits for its end; its exit code, negative for the signal that killed it."""
        return await self._process.wait()

    def kill(self) -> None:
        """Ends it at once; what it has started is for `kill_descendants`."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def waits(self, message: Message) -> None:
        """It has said what it waits for: others, in a gather, or something else."""
        self._waited = 0.0
        self._is_in_gather = message["kind"] == "gather"
        if message["kind"] == "waiting":
            self._what, self._most, self._hint = (message[n] for n in ("what", "most", "hint"))

    def goes_on(self) -> None:
        """The gather that it waited in is over."""
        self._waited, self._is_in_gather = 0.0, False

    @property
    def is_still(self) -> bool:
        """Whether it was stopped at the last beat."""
        return self._still > 0

    def beat(self, timing: Timing) -> tuple[str, str] | None:
        """Looks at it, once in a beat.

        Returns:
          Why nothing more will come of it, and a hint; None as long as something may.
        """
        if is_stopped(self._process.pid):
            self._still += timing.beat
            if self._still > timing.silence:
                what = f"the trainer of {self._name} has been stopped for {timing.silence:g} s"
                return what, AGAIN
            return None
        self._still = 0.0
        # In a gather it waits for the others, whose own supervisors look at what they wait for.
        self._waited += 0.0 if self._is_in_gather else timing.beat
        if not 0 < self._most < self._waited:
            return None
        what = f"nothing has ended for {self._most:g} seconds at {self._name}"
        return f"{what}, which waits for {self._what}", self._hint


def _unproxied(cluster: Cluster, environment: Mapping[str, str]) -> str:
    """The value of the variable by which gRPC connects without a proxy: all hosts of a cluster."""
    before = environment.get("no_grpc_proxy", environment.get("no_proxy", ""))
    hosts = dict.fromkeys(split_address(address)[0] for address in cluster.addresses)
    return ",".join(filter(None, [before, *hosts]))
