"""Real workers on this machine, with little programs in the place of trainers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from electra_cli.cluster.addresses import ports_of, ports_taken

# What a trainer begins with; `say` tells the test where it is.
_TRAINER = """
import json, os, signal, sys, time
from electra_cli.cluster.member import Member
from electra_cli.errors import DataError, TryAgainError
member = Member.of_environment(os.environ)
def say(*words):
    print(*words, flush=True)
say("started", os.getpid())
"""

# A command: what `join` raises becomes an exit code, as in the command line.
_COMMAND = """
import json, sys
from pathlib import Path
from electra_cli.cluster.join import join
from electra_cli.cluster.protocol import Timing
from electra_cli.errors import ElectraError, Terminated
timing = Timing(**json.loads(sys.argv[2]))
def note(text):
    print("note:", text, flush=True)
try:
    join("tf-config", Path(sys.argv[1]), timeout=timing.rendezvous, timing=timing, on_note=note,
         command=[sys.executable, "-c", sys.argv[3]])
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
except Terminated as error:
    print("terminated by", error, flush=True)
    sys.exit(143)
except ElectraError as error:
    print("error:", error.message, "|", error.hint, flush=True)
    sys.exit(error.exit_code)
"""

QUICK = {"rendezvous": 20.0, "beat": 0.1, "silence": 1.0, "handshake": 1.0, "grace": 1.0}
_BOUND = 30.0


class Worker:
    """The process of a worker."""

    def __init__(
        self,
        addresses: list[str],
        index: int,
        folder: Path,
        program: str,
        timing: Mapping[str, float],
        variables: Mapping[str, str],
    ) -> None:
        task = {"type": "worker", "index": index}
        self.name = f"worker {index} ({addresses[index]})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, folder, json.dumps(timing), _TRAINER + program],
            env={
                **os.environ,
                "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.trainer = 0
        self.said: list[str] = []  # all of its lines

    def until(self, word: str) -> str:
        """Waits until a line begins with a word, and returns what else it says."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            if line.startswith("started "):
                self.trainer = int(line.split()[1])
            if line.startswith(word):
                return line[len(word) :].strip()
        raise AssertionError(f"no {word!r}: {self.said}")

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what else it has said."""
        said, _ = self.process.communicate(timeout=_BOUND)
        self.said += said.splitlines()
        return self.process.returncode, said

    def go_on(self) -> None:
        """Ends what its trainer waits for in `sys.stdin.read()`."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class Workers:
    """The workers of one cluster.

    Args:
      folder: The run folder.
      size: How many there are.
      program: What a trainer does.
      timing: How long they wait.
    """

    def __init__(self, folder: Path, size: int, program: str, **timing: float) -> None:
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(size)]
        self.folder = folder
        self.program = program
        self.timing = {**QUICK, **timing}
        self.all: list[Worker] = []

    def start(self, index: int, **changes: Any) -> Worker:
        """Starts one of them."""
        given = {"addresses": self.addresses, "folder": self.folder, "program": self.program}
        given |= {"timing": self.timing, "variables": {}} | changes
        worker = Worker(index=index, **given)
        self.all.append(worker)
        return worker

    def start_all(self) -> list[Worker]:
        return [self.start(index) for index in range(len(self.addresses))]

    def names(self, index: int) -> str:
        return f"worker {index} ({self.addresses[index]})"


@contextmanager
def cluster(folder: Path, size: int, program: str = "", **timing: float) -> Iterator[Workers]:
    """Workers of which no process is left when the block ends."""
    workers = Workers(folder, size, program, **timing)
    try:
        yield workers
    finally:
        for worker in workers.all:
            with suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
            for stream in (worker.process.stdin, worker.process.stdout):
                if stream is not None:
                    stream.close()


def free_ports(count: int) -> list[int]:
    """Ports beside each other that nobody has, and neither that of the meeting."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
        if all(map(_is_free, range(port, port + ports_taken(count)))):
            return ports_of(port, count)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def living(group: int) -> list[int]:
    """The processes of a session that are left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == group and stat[0] not in "ZX":
                found.append(int(folder.name))
    return found


def gone(pid: int) -> None:
    """Waits until a process has ended, as it will."""
    deadline = time.monotonic() + _BOUND
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
