"""What the tests of clusters share: a command at several workers of this machine at once."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from subprocess import Popen

from tests.training.runs import environment, finish, start


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, and that TensorFlow's workers and their meeting may take."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


@contextmanager
def workers(*commands: Sequence[str]) -> Iterator[list[Popen[str]]]:
    """Starts a worker for each command line; none of their processes outlives the block."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(commands))]
    started: list[Popen[str]] = []
    try:
        for index, command in enumerate(commands):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": addresses}, "task": task})
            variables = environment(TF_CONFIG=config)
            started.append(start([*command], env=variables, start_new_session=True))
        yield started
    finally:
        for one in started:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.communicate()


def ends(started: Sequence[Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of workers that end by themselves."""
    return [finish(one) for one in started]
