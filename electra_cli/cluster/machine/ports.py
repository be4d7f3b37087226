"""Addresses of machines and their ports: what a name stands for, and who has a port already."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from electra_cli.cluster.protocol import NoMessageError
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.files.redaction import redacted

_LISTENS = "0A"  # in /proc/net/tcp
_MOST_SHOWN = 80  # characters of a command


async def resolved(host: str) -> list[str]:
    """The addresses of a machine.

    Raises:
      OSError: Its name stands for none.
    """
    # No pool of threads: one that waits for a name server would keep the process from ending.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str], error: OSError | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[str] = []
        failure: OSError | None = None
        try:
            places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(place[4][0]) for place in places))
        except (OSError, UnicodeError) as error:
            failure = error if isinstance(error, OSError) else OSError(str(error))
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle, found, failure)

    threading.Thread(target=ask, daemon=True).start()
    return await answer


async def connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to a machine, at whichever of its addresses answers.

    Raises:
      OSError: None does.
    """
    failure: OSError = OSError("its name stands for no machine")
    for address in await resolved(host):
        try:
            return await asyncio.open_connection(address, port)
        except OSError as error:
            failure = error
    raise failure


def reason_of(error: OSError | NoMessageError) -> str:
    """Why a machine was not reached, in words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error) or "it does not answer"


def bound(name: str, host: str, addresses: list[str], port: int) -> list[socket.socket]:
    """Takes a port of this machine.

    Args:
      name: Of the worker, for messages.
      host: Of the worker.
      addresses: What its name stands for.
      port: The port.

    Returns:
      A socket for each address that this machine has.

    Raises:
      ConfigError: It has none of them.
      TryAgainError: Another process listens there.
    """
    sockets, strange = [], []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            sockets.append(socket.create_server((address, port), family=family))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                for taken in sockets:
                    taken.close()
                raise TryAgainError(
                    f"{name} cannot use port {port} of {host}: it is taken{_holder(port)}",
                    hint="wait until that has ended, or give the worker another port",
                ) from None
            strange.append(f"{address}: {error.strerror}")
    if not sockets:
        raise ConfigError(
            f"{name} runs on {socket.gethostname()}, which does not have that address "
            f"({', '.join(strange)})",
            hint="give each worker its own number: its address is that of the machine it runs on",
        )
    return sockets


def check_free(name: str, host: str, addresses: list[str], port: int) -> None:
    """Makes sure that a worker can have its port; `bound` has more."""
    for taken in bound(name, host, addresses, port):
        taken.close()


def _holder(port: int) -> str:
    """Who listens on a port, in words; empty if that cannot be seen."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(descriptor) in sockets:  # noqa: PTH115 - it names no path
                        command = (
                            (process / "cmdline")
                            .read_bytes()
                            .replace(b"\0", b" ")
                            .decode(errors="replace")
                        )
                        shown = redacted(command.strip())[:_MOST_SHOWN]
                        return f" by process {process.name} ({shown})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
