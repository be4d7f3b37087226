"""What the tests of clusters share: a command at several workers of this machine at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from subprocess import Popen

from tests.cluster.workers import free_ports
from tests.training.runs import environment, finish, start


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
