"""How the workers of a cluster come together: the chief listens, the others look for it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from electra_cli.cluster import token
from electra_cli.cluster.addresses import Cluster, is_loopback, split_address
from electra_cli.cluster.compare import software
from electra_cli.cluster.ending import End
from electra_cli.cluster.hub import Hub
from electra_cli.cluster.link import Link, receive
from electra_cli.cluster.machine.ports import bound, check_free, connected, reason_of, resolved
from electra_cli.cluster.protocol import Message, NoMessageError, Timing
from electra_cli.errors import ConfigError, ElectraError, TryAgainError

_MOST_STRANGERS = 64  # at the door at once
_PAUSE = 0.5  # seconds between two tries
_SOON = 10.0  # seconds after which a worker says what it waits for
_STALE = 60.0  # seconds for which a name server may know an address that holds no more
_STAY = 30.0  # seconds for which a chief whose start was refused tells others of it


class Patience:
    """How long this worker waits for the others, and that it says so.

    Args:
      seconds: From now on.
      on_note: Hears what it is waiting for, if that takes long.

    Attributes:
      deadline: In the time of the event loop.
    """

    def __init__(self, seconds: float, on_note: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + seconds
        self.seconds = seconds
        self.on_note = on_note
        self._is_told = False

    async def pause(self, problem: str, until: float | None = None) -> bool:
        """Waits a moment before the next try.

        Args:
          problem: Why this one has failed.
          until: An earlier deadline.

        Returns:
          Whether there is time for another one.
        """
        left = min(self.deadline, until or self.deadline) - self._loop.time()
        if left < 0:
            return False
        if not self._is_told and self.deadline - self._loop.time() < self.seconds - _SOON:
            self._is_told = True
            self.on_note(f"{problem}; trying for {left:.0f} s more")
        await asyncio.sleep(min(_PAUSE, self.seconds / 10))
        return True


async def found_machines(cluster: Cluster, patience: Patience) -> list[str]:
    """Waits until the name of every machine is known, which for a new one takes a while.

    Args:
      cluster: All workers.
      patience: How long.

    Returns:
      The addresses of this machine at which the others reach it.

    Raises:
      ConfigError: This worker's name stands for no machine, or for another one.
      TryAgainError: Another worker's stands for none, or the port is taken.
    """
    host, port = split_address(cluster.addresses[cluster.index])
    # A machine made anew may have the address of the one before it in the caches of name servers.
    soon = asyncio.get_running_loop().time() + (0.0 if _is_address(host) else _STALE)
    while True:
        try:
            ours = _listening(cluster, host, await _known(cluster, cluster.index, patience))
            check_free(cluster.names(cluster.index), host, ours, port)
            break
        except ConfigError as error:
            if not await patience.pause(error.message, soon):
                raise
    for index in range(cluster.size):
        await _known(cluster, index, patience)
    return ours


async def _known(cluster: Cluster, index: int, patience: Patience) -> list[str]:
    """The addresses of a worker's machine."""
    host, _ = split_address(cluster.addresses[index])
    while True:
        try:
            return await resolved(host)
        except OSError as error:
            problem = (
                f"no machine is known by the name of {cluster.names(index)}: "
                f"{error.strerror or error}"
            )
        if not await patience.pause(problem):
            # Whose own name is known only lacks a worker that has not come.
            kind = ConfigError if index == cluster.index else TryAgainError
            hint = f"getent hosts {host} shows what is known here; {cluster.origin} gave the name"
            raise kind(f"{problem}, for {patience.seconds:g} seconds", hint=hint)


def _listening(cluster: Cluster, host: str, addresses: list[str]) -> list[str]:
    """Where this worker listens, given what its name stands for here.

    Debian gives the name of a machine to 127.0.1.1 there, and others know it by another address.
    """
    is_hidden = all(map(is_loopback, addresses)) and not is_loopback(host)
    return ["0.0.0.0", "::"] if is_hidden and not cluster.is_on_one_machine else addresses


def _is_address(host: str) -> bool:
    """Whether a host is given by its address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def held(
    cluster: Cluster,
    addresses: list[str],
    folder: Path,
    timing: Timing,
    environment: dict[str, str],
    patience: Patience,
) -> AsyncIterator[tuple[Hub, Link]]:
    """The chief's side: holds the meeting while the block runs.

    Args:
      cluster: All workers.
      addresses: Of this machine.
      folder: The run folder.
      timing: How long to wait.
      environment: All variables.
      patience: How long all have to come.

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
        try:
            path = token.path_in(folder, cluster)
            secret, word = stack.enter_context(token.given_out(path, environment))
        except ElectraError as error:
            message = f"{cluster.names(0)}: {error.message}"
            await _turn_all_away(
                cluster, sockets, End(error.exit_code, message, error.hint), patience
            )
            raise
        hub = Hub(cluster, timing, token.shown(word) if word else "")
        asyncio.get_running_loop().call_at(patience.deadline, hub.give_up)
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
            if hub.end is not None and hub.has_late_ones and (stay := _stay(patience, hub.end)):
                await hub.tell_late_ones(stay)
            for server in servers:
                server.close()
            # What is still to be read here would make the system throw away what was said last.
            if guests:
                await asyncio.wait(guests, timeout=timing.beat)
            await asyncio.gather(*(link.close(timing.beat) for link in (*links, own, seat)))
            for task in (*guests, *residents):
                task.cancel()


async def _turn_all_away(
    cluster: Cluster, sockets: list[socket.socket], why: End, patience: Patience
) -> None:
    """Stays for a while to say to those who come why nothing begins."""
    are_told, told = asyncio.Event(), 0

    def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        del reader
        token.turn_away(writer, why)
        writer.close()
        told += 1
        if told == cluster.size - 1:
            are_told.set()

    servers = [await asyncio.start_server(turn_away, sock=one) for one in sockets]
    with suppress(TimeoutError):
        await asyncio.wait_for(are_told.wait(), _stay(patience, why))
    for server in servers:
        server.close()


def _stay(patience: Patience, why: End) -> float:
    """For how many seconds the chief tells those who come late; says so."""
    seconds = min(_STAY, max(0.0, patience.deadline - asyncio.get_running_loop().time()))
    if seconds:
        patience.on_note(f"{why.message}; workers that come within {seconds:.0f} s are told so")
    return seconds


@asynccontextmanager
async def reached(
    cluster: Cluster,
    folder: Path,
    timing: Timing,
    environment: dict[str, str],
    patience: Patience,
) -> AsyncIterator[Link]:
    """A worker's side: finds the chief, and is linked to it while the block runs.

    Args:
      cluster: All workers.
      folder: The run folder.
      timing: How long to try.
      environment: All variables.
      patience: How long to try.

    Raises:
      TryAgainError: The chief cannot be reached.
      ConfigError: It can, but this worker does not have its token.
    """
    host, port = cluster.meeting
    path = token.path_in(folder, cluster)
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
        if not await patience.pause(problem.message):
            # The chief may have given up just before.
            problem = max(seen.values(), key=len)[-1]
            message = f"{problem.message}; this worker has tried for {patience.seconds:g} seconds"
            raise type(problem)(message, hint=problem.hint)
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
