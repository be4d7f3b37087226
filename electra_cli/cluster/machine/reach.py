"""A look, before any trainer starts, at whether each will reach the others.

TensorFlow connects every worker to every other at its own port. A firewall that lets only the
meeting through would have it wait, without an end and without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from electra_cli.cluster.addresses import Cluster, split_address
from electra_cli.cluster.machine.ports import bound, connected, reason_of
from electra_cli.errors import TryAgainError, listed

_AT_ONCE = 64  # connections in the making

Missed = list[tuple[int, str]]
"""The workers that one of them cannot reach, and why."""


@asynccontextmanager
async def listening(cluster: Cluster, addresses: list[str]) -> AsyncIterator[None]:
    """Takes the place of this worker's trainer while the block runs.

    Args:
      cluster: All workers.
      addresses: Of this machine.

    Raises:
      ConfigError: The machine has none of them.
      TryAgainError: The port is taken.
    """
    host, port = split_address(cluster.addresses[cluster.index])
    with ExitStack() as stack:
        for one in bound(cluster.names(cluster.index), host, addresses, port):
            stack.callback(one.close)
            server = await asyncio.start_server(_turn_away, sock=one)
            stack.callback(server.close)
        yield


def _turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.transport.abort()


async def missed(cluster: Cluster, patience: float) -> Missed:
    """Tries all other workers.

    Args:
      cluster: All workers.
      patience: Seconds for each of them to answer.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def reason(index: int) -> str:
        """Why it is not reached; empty if it is."""
        try:
            async with places, asyncio.timeout(patience):
                _, writer = await connected(*split_address(cluster.addresses[index]))
        except OSError as error:  # which a TimeoutError is too
            return reason_of(error)
        writer.transport.abort()
        return ""

    others = [index for index in range(cluster.size) if index != cluster.index]
    reasons = await asyncio.gather(*map(reason, others))
    return [(index, why) for index, why in zip(others, reasons, strict=True) if why]


def check(cluster: Cluster, found: Sequence[Missed]) -> None:
    """Makes sure that all reach all.

    Args:
      cluster: All workers.
      found: What `missed` has returned at each.

    Raises:
      TryAgainError: One does not reach another; the same at all workers.
    """
    seekers: dict[tuple[int, str], list[str]] = {}
    for seeker, one in enumerate(found):
        for index, why in one:
            seekers.setdefault((index, why), []).append(cluster.names(seeker))
    if not seekers:
        return
    told = [
        f"{listed(who)} cannot reach {cluster.names(i)}: {why}" for (i, why), who in seekers.items()
    ]
    ports = sorted({split_address(cluster.addresses[index])[1] for index, _ in seekers})
    raise TryAgainError(
        listed(told, separator="; "),
        hint="the workers have met at another port than those at which TensorFlow connects them: "
        f"a firewall has to let {listed([*map(str, ports)], 8)} through between all of them",
    )
