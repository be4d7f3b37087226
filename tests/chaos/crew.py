"""The workers of a cluster in processes of their own, on this machine or in two networks of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.workers import free_ports, living
from tests.training.runs import environment

_PORT = 2222
_HOSTS = ("10.97.53.1", "10.97.53.2")
_STRANGER = "02:00:00:00:00:99"  # a network card that nobody has
_TICK = 0.002  # seconds
_SOON = 5.0


@dataclass
class CrewMember:
    """A worker.

    Attributes:
      index: Its number.
      process: Its supervisor.
      stdout: What that and its trainer have printed.
      stderr: The same.
    """

    index: int
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def trainers(self) -> list[int]:
        """What its supervisor has started."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with suppress(OSError):
            return [int(pid) for pid in path.read_text().split()]
        return []

    def left(self) -> list[int]:
        """Which of its processes are alive."""
        return living(self.pid)

    def left_behind(self) -> list[int]:
        """Which of its processes are alive after a moment, in which the system ends them."""
        deadline = time.monotonic() + _SOON
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(_TICK)
        return left


class Crew:
    """The workers of one start.

    Args:
      members: They.
      networks: Those that they live in, if they have some of their own.
    """

    def __init__(self, members: list[CrewMember], networks: Sequence[str]) -> None:
        self.members = members
        self._networks = networks

    def drop(self) -> None:
        """From now on nothing that one sends reaches the other, and nobody is told."""
        for network, other in zip(self._networks, reversed(_HOSTS), strict=True):
            told = ["neigh", "replace", other, "lladdr", _STRANGER, "nud", "permanent"]
            _ip("-n", network, *told, "dev", network)

    def wait(self, members: Sequence[CrewMember], seconds: float) -> list[CrewMember]:
        """Waits for workers to end; returns those that have not."""
        deadline = time.monotonic() + seconds
        while late := [one for one in members if one.process.poll() is None]:
            if time.monotonic() > deadline:
                return late
            time.sleep(_TICK)
        return []


@contextmanager
def started(
    work: Path, command: Sequence[str], size: int, *, without: int | None = None, apart: bool
) -> Iterator[Crew]:
    """Starts the workers of a cluster; no process of theirs outlives the block.

    Args:
      work: A folder for their streams.
      command: The same for all, without `electra`.
      size: How many the cluster has.
      without: A worker that is not started.
      apart: Each of two in a network of its own, with a cable between.
    """
    with ExitStack() as stack:
        networks = stack.enter_context(two_networks()) if apart else ()
        ports = free_ports(size)
        addresses = [f"127.0.0.1:{port}" for port in ports]
        if apart:
            addresses = [f"{host}:{_PORT}" for host in _HOSTS]
        crew = Crew([], networks)
        stack.callback(_end, crew)
        for index in range(size):
            if index == without:
                continue
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            place = ["ip", "netns", "exec", networks[index]] if apart else []
            stdout, stderr = (work / f"worker-{index}.{name}" for name in ("stdout", "stderr"))
            with stdout.open("wb") as out, stderr.open("wb") as err:
                process = subprocess.Popen(
                    [*place, sys.executable, "-m", "electra_cli", *command],
                    stdout=out,
                    stderr=err,
                    stdin=subprocess.DEVNULL,
                    env=environment(TF_CONFIG=json.dumps(task)),
                    start_new_session=True,
                )
            crew.members.append(CrewMember(index, process, stdout, stderr))
        yield crew


def _end(crew: Crew) -> None:
    for member in crew.members:
        for pid in {*member.left(), member.pid}:
            send(pid, signal.SIGKILL)
        member.process.wait()


def send(pid: int, number: int) -> None:
    """Sends a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def two_networks() -> Iterator[tuple[str, str]]:
    """Makes two networks of one machine each; needs root."""
    names = (f"electra-{os.getpid()}a"[-15:], f"electra-{os.getpid()}b"[-15:])
    with ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        first, second = names
        ends = ["type", "veth", "peer", "name", second, "netns", second]
        _ip("link", "add", first, "netns", first, *ends)
        for name, host in zip(names, _HOSTS, strict=True):
            _ip("-n", name, "address", "add", f"{host}/24", "dev", name)
            for card in (name, "lo"):
                _ip("-n", name, "link", "set", card, "up")
        yield names


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
