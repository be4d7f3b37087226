"""The process that trains, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.member import CHANNEL
from electra_cli.cluster.processes import kill_descendants
from electra_cli.cluster.protocol import Link
from electra_cli.cluster.token import VARIABLE

STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Trainer:
    """A process that trains, and the link to it.

    Args:
      process: It.
      link: The other end of its channel.
    """

    def __init__(self, process: Process, link: Link) -> None:
        self._process = process
        self.link = link
        self.pid = process.pid

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
        link.say("start", origin=cluster.origin, **place)
        return cls(process, link)

    async def ended(self) -> int:
        """Waits for its end; its exit code, negative for the signal that killed it."""
        return await self._process.wait()

    async def kill(self) -> None:
        """Ends it and all that it has started, at once."""
        kill_descendants()
        await self.link.close(0.0)
