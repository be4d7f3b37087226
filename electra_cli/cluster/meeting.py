"""How the workers of a cluster come together: the chief listens, the others look for it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from electra_cli.cluster import token
from electra_cli.cluster.addresses import Cluster, split_address
from electra_cli.cluster.compare import software
from electra_cli.cluster.hub import Hub
from electra_cli.cluster.ports import bound, check_free, connected, reason_of, resolved
from electra_cli.cluster.protocol import Link, Message, NoMessageError, Timing, receive
from electra_cli.errors import ConfigError, TryAgainError

_MOST_STRANGERS = 64  # at the door at once
_PAUSE = 0.5  # seconds between two tries
_SOON = 10.0  # seconds after which a worker says what it waits for


async def found_machines(cluster: Cluster, timing: Timing) -> list[str]:
    """Waits until the name of every machine is known, which for a new one takes a while.

    Returns:
      The addresses of this one.

    Raises:
      ConfigError: A name stands for no machine, or this worker's for another one.
      TryAgainError: Its port is taken.
    """
    places = [split_address(address) for address in cluster.addresses]
    deadline = asyncio.get_running_loop().time() + timing.rendezvous
    for index, (host, _) in enumerate(places):
        while True:
            try:
                addresses = await resolved(host)
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise ConfigError(
                        f"no machine is known by the name of {cluster.names(index)}: "
                        f"{error.strerror or error}",
                        hint=f"getent hosts {host} shows what is known here; {cluster.origin} "
                        "gave the name",
                    ) from None
                await asyncio.sleep(_PAUSE)
            else:
                break
        if index == cluster.index:
            ours = addresses
    host, port = places[cluster.index]
    check_free(cluster.names(cluster.index), host, ours, port)
    return ours


@asynccontextmanager
async def held(
    cluster: Cluster,
    addresses: list[str],
    folder: Path,
    timing: Timing,
    environment: dict[str, str],
) -> AsyncIterator[tuple[Hub, Link]]:
    """The chief's side: holds the meeting while the block runs.

    Args:
      cluster: All workers.
      addresses: Of this machine.
      folder: The run folder.
      timing: How long to wait.
      environment: All variables.

    Yields:
      Where all meet, and the chief's own link to it.

    Raises:
      TryAgainError: The port is taken.
      OutputError, IOFailedError: The run folder cannot be written to.
    """
    host, port = cluster.meeting
    guests: set[asyncio.Task[None]] = set()
    links: list[Link] = []
    with ExitStack() as stack:
        sockets = bound(cluster.names(0), host, addresses, port)
        for one in sockets:
            stack.callback(one.close)
        secret, word = stack.enter_context(
            token.given_out(token.path_in(folder, cluster), environment)
        )
        hub = Hub(cluster, timing, token.shown(word) if word else "")
        at_the_door = 0

        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal at_the_door
            if at_the_door >= _MOST_STRANGERS:
                writer.transport.abort()
                return
            at_the_door += 1
            hello = None
            try:
                async with asyncio.timeout(timing.handshake):
                    await token.admit(reader, writer, secret)
                    hello = await receive(reader)
            except token.RefusedError:
                hub.knocked()
            except (OSError, NoMessageError, TimeoutError):
                pass
            finally:
                at_the_door -= 1
            link = Link(reader, writer)
            links.append(link)
            if hello is not None:
                await hub.serve(link, hello)
            links.remove(link)
            await link.close(timing.beat)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(welcome(reader, writer))
            guests.add(task)
            task.add_done_callback(guests.discard)
            task.add_done_callback(hub.check)

        servers = [await asyncio.start_server(accept, sock=one) for one in sockets]
        ours, theirs = socket.socketpair()
        own = Link(*await asyncio.open_connection(sock=ours))
        seat = Link(*await asyncio.open_connection(sock=theirs))
        residents = [
            asyncio.create_task(hub.serve(seat, _hello(cluster))),
            asyncio.create_task(_beats(hub.beat, timing)),
        ]
        for task in residents:
            task.add_done_callback(hub.check)
        try:
            yield hub, own
        finally:
            for server in servers:
                server.close()
            # What is still to be read here would make the system throw away what was said last.
            if guests:
                await asyncio.wait(guests, timeout=timing.beat)
            await asyncio.gather(*(link.close(timing.beat) for link in (*links, own, seat)))
            for task in (*guests, *residents):
                task.cancel()


@asynccontextmanager
async def reached(
    cluster: Cluster,
    folder: Path,
    timing: Timing,
    environment: dict[str, str],
    on_note: Callable[[str], None],
) -> AsyncIterator[Link]:
    """A worker's side: finds the chief, and is linked to it while the block runs.

    Args:
      cluster: All workers.
      folder: The run folder.
      timing: How long to try.
      environment: All variables.
      on_note: Hears what it is waiting for, if that takes long.

    Raises:
      TryAgainError: The chief cannot be reached.
      ConfigError: It can, but this worker does not have its token.
    """
    host, port = cluster.meeting
    path = token.path_in(folder, cluster)
    loop = asyncio.get_running_loop()
    start, is_told = loop.time(), False
    seen = defaultdict[type, list[TryAgainError | ConfigError]](list)
    while True:
        try:
            link = await _knock(host, port, path, timing, environment)
        except token.RefusedError:
            problem: TryAgainError | ConfigError = ConfigError(
                f"{cluster.names(0)} answers, but {path} is not there or is not its token",
                hint="all workers need to see the same run folder, and to call the chief by the "
                f"same name: mount the folder here, or set {token.VARIABLE} to the same secret "
                "for all",
            )
        except (OSError, NoMessageError, TimeoutError) as error:
            problem = TryAgainError(
                f"the chief, {cluster.names(0)}, cannot be reached at {host}:{port}: "
                f"{reason_of(error)}",
                hint="look whether worker 0 was started and what it says; a firewall has to let "
                f"{port} through",
            )
        else:
            break
        seen[type(problem)].append(problem)
        waited = loop.time() - start
        if waited > timing.rendezvous:
            # The chief may have given up just before.
            problem = max(seen.values(), key=len)[-1]
            message = f"{problem.message}; this worker has tried for {timing.rendezvous:g} seconds"
            raise type(problem)(message, hint=problem.hint)
        if waited > _SOON and not is_told:
            is_told = True
            on_note(f"{problem.message}; trying for {timing.rendezvous - waited:.0f} s more")
        await asyncio.sleep(min(_PAUSE, timing.rendezvous / 10))
    link.say(**_hello(cluster))
    try:
        yield link
    finally:
        await link.close(timing.beat)


async def check_sees_folder(cluster: Cluster, folder: Path, word: str, timing: Timing) -> None:
    """Makes sure that a worker sees the chief's run folder.

    Args:
      cluster: All workers.
      folder: The run folder.
      word: What is there to see, as `token.shown` has it; empty if nothing is.
      timing: How long a network file system may take to show it, at most.

    Raises:
      ConfigError: It does not see it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(timing.rendezvous, 60.0)
    path = token.path_in(folder, cluster)
    while word and token.shown(token.found(path)) != word:
        if loop.time() > deadline:
            raise ConfigError(
                f"{cluster.names(cluster.index)} does not see the run folder of the chief: "
                f"{path} is not there, or is another one",
                hint=f"df {folder} shows what is mounted there; all workers need to read the same "
                "folder",
            )
        await asyncio.sleep(_PAUSE)


async def _knock(
    host: str, port: int, path: Path, timing: Timing, environment: dict[str, str]
) -> Link:
    """Connects to the chief, and has each side prove that it is one."""
    async with asyncio.timeout(timing.handshake):
        reader, writer = await connected(host, port)
        try:
            secret = environment.get(token.VARIABLE) or token.found(path)
            await token.introduce(reader, writer, secret)
        except BaseException:
            writer.transport.abort()
            raise
    return Link(reader, writer)


async def _beats(beat: Callable[[], None], timing: Timing) -> None:
    while True:
        await asyncio.sleep(timing.beat)
        beat()


def _hello(cluster: Cluster) -> Message:
    """What a worker says of itself."""
    return {
        "kind": "hello",
        "index": cluster.index,
        "addresses": list(cluster.addresses),
        "software": software(),
        "clock": time.time(),
        "who": f"process {os.getpid()} on {socket.gethostname()}",
    }
