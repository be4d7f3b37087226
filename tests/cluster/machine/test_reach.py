"""Whether workers reach each other's ports, and what is told if they do not."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.machine.reach import check, listening, missed
from electra_cli.errors import TryAgainError
from tests.cluster.workers import cluster, free_ports

REFUSED = os.strerror(errno.ECONNREFUSED)


def test_what_does_not_answer_is_not_waited_for() -> None:
    """One answers, one refuses, and one is silent, as behind a firewall that drops."""
    ports = free_ports(4)
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)

    async def look() -> object:
        async with listening(Cluster(addresses, 1, "TEST"), ["127.0.0.1"]):
            return await missed(Cluster(addresses, 0, "TEST"), 0.3)

    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", ports[3]), backlog=0))
        # Nobody takes these up, so the system lets the next ones wait.
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        assert asyncio.run(look()) == [(2, REFUSED), (3, "it does not answer")]
    with socket.create_server(("127.0.0.1", ports[1])):
        pass  # the trainer can have it now


def test_who_does_not_reach_whom() -> None:
    workers = Cluster(("a:1", "b:2", "c:3"), 0, "TEST")
    check(workers, [[], [], []])
    with pytest.raises(TryAgainError) as error:
        check(workers, [[], [(0, "silent")], [(0, "silent"), (1, REFUSED)]])
    assert error.value.message == (
        "worker 1 (b:2), worker 2 (c:3) cannot reach worker 0 (a:1): silent; "
        f"worker 2 (c:3) cannot reach worker 1 (b:2): {REFUSED}"
    )
    assert "let 1, 2 through" in error.value.hint


def test_a_closed_port_ends_all_before_a_trainer_starts(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    deaf.mkdir()
    (deaf / "sitecustomize.py").write_text(
        "from electra_cli.cluster.machine import reach\nreach.bound = lambda *where: []\n"
    )
    with cluster(tmp_path / "run", 3) as workers:
        for index in range(3):
            workers.start(index, variables={"PYTHONPATH": str(deaf)} if index == 1 else {})
        told = f"{workers.names(0)}, {workers.names(2)} cannot reach {workers.names(1)}: {REFUSED}"
        for worker in workers.all:
            code, said = worker.ended()
            assert (code, f"error: {told} | " in said, "started" in said) == (75, True, False), said
