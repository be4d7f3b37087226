"""Workers that do not come together: what each of them says."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from electra_cli.cluster import meeting
from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.protocol import MOST_OF_A_STRANGER, packed
from electra_cli.cluster.token import path_in
from electra_cli.errors import ConfigError, ElectraError, TryAgainError
from tests.cluster.workers import cluster, free_ports

SAME = "say('values', member.gather('a', member.index))"


def test_nobody_waits_for_ever_for_a_worker(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 3, SAME, rendezvous=1.0) as workers:
        for worker in [workers.start(0), workers.start(2)]:
            code, said = worker.ended()
            assert code == 75
            assert f"error: {workers.names(1)} did not come within 1 seconds" in said
    assert list(tmp_path.iterdir()) == []


def test_nobody_waits_for_ever_for_the_chief(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 2, SAME, rendezvous=0.5) as workers:
        code, said = workers.start(1).ended()
    assert code == 75
    assert f"error: the chief, {workers.names(0)}, cannot be reached at 127.0.0.1:" in said
    assert "Connection refused" in said


def test_a_token_of_an_earlier_start_is_read_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with cluster(run, 2, SAME) as workers:
        path_in(run, Cluster(tuple(workers.addresses), 0, "")).write_text("stale")
        second = workers.start(1)
        first = workers.start(0)
        assert (first.ended()[0], second.ended()[0]) == (0, 0)
    assert list(run.iterdir()) == []


def test_who_sees_another_folder_is_told_so(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with cluster(tmp_path / "run", 2, SAME, rendezvous=1.5) as workers:
        first, second = workers.start(0), workers.start(1, folder=other)
        code, said = second.ended()
        assert code == 2
        assert f"answers, but {other}/.cluster-token-127.0.0.1-" in said
        assert "ELECTRA_CLUSTER_TOKEN" in said
        code, said = first.ended()
        assert code == 75
        assert f"{workers.names(1)} did not come" in said


@pytest.mark.parametrize("same_folder", [True, False])
def test_a_token_of_the_environment(tmp_path: Path, same_folder: bool) -> None:
    """It lets workers in, and they still have to see the run folder."""
    other = tmp_path / ("run" if same_folder else "other")
    token = {"ELECTRA_CLUSTER_TOKEN": "a secret"}
    program = SAME + "\nassert 'ELECTRA_CLUSTER_TOKEN' not in os.environ"
    with cluster(tmp_path / "run", 2, program, rendezvous=1.5) as workers:
        first = workers.start(0, variables=token)
        second = workers.start(1, variables=token, folder=other)
        code, said = second.ended()
        assert code == (0 if same_folder else 2)
        assert same_folder or f"{workers.names(1)} does not see the run folder" in said
        code, said = first.ended()
        assert code == (0 if same_folder else 2)
        assert same_folder or f"{workers.names(1)} does not see the run folder" in said


GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    b"",  # says nothing
    b"\0\0\0\2{}",
    b"\0\0\0\5[[[[[",
    (MOST_OF_A_STRANGER + 1).to_bytes(4, "big") + b"x" * (MOST_OF_A_STRANGER + 1),
    packed("hello", index=1, addresses=[], who="me", software={}, clock=0),
    packed("answer", challenge="0" * 64, proof="0" * 64),
    packed("answer", challenge=None, proof=["é"]),
    packed("answer", challenge="\ud800", proof="\ud800"),
    packed("answer"),
    b"\xff" * 100_000,
]


def test_strangers_disturb_nobody(tmp_path: Path) -> None:
    """Before the meeting, while it goes on, and while the workers train."""
    program = """
member.gather("start", None)
say("training")
sys.stdin.read()
say("values", member.gather("a", member.index))
"""
    with cluster(tmp_path / "run", 2, program) as workers:
        first = workers.start(0)
        place = ("127.0.0.1", int(workers.addresses[0].split(":")[1]) + 18)
        strangers = [_speak(place, words) for words in GARBAGE]
        second = workers.start(1)
        first.until("training")
        second.until("training")
        strangers += [_speak(place, words) for words in GARBAGE]
        first.go_on()
        second.go_on()
        for worker in (first, second):
            assert worker.ended() == (0, "values [0, 1]\n")
        for stranger in strangers:
            stranger.close()


def _speak(place: tuple[str, int], words: bytes) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            stranger = socket.create_connection(place)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
    with suppress(ConnectionError):  # it may have heard enough
        stranger.sendall(words)
    return stranger


def test_two_workers_with_one_number(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 3, SAME) as workers:
        everyone = [workers.start(index) for index in (0, 1, 1)]
        for worker in everyone:
            code, said = worker.ended()
            assert code == 2
            assert f"error: there are two of {workers.names(1)}: process " in said
            for other in everyone[1:]:
                assert f"process {other.process.pid} on " in said


def test_a_worker_that_comes_twice_while_others_train(tmp_path: Path) -> None:
    program = "member.gather('start', None); say('training'); sys.stdin.read()"
    with cluster(tmp_path / "run", 2, program) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        code, said = workers.start(1).ended()
        assert code == 75
        assert f"there are two of {workers.names(1)}: process {everyone[1].process.pid} on" in said
        for worker in everyone:
            worker.go_on()
        assert [worker.ended()[0] for worker in everyone] == [0, 0]


def test_who_comes_late_to_a_refused_start_hears_why(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 3, SAME) as workers:
        first = workers.start(0)
        others = [*workers.addresses[:2], f"127.0.0.1:{free_ports(1)[0]}"]
        code, said = workers.start(1, addresses=others).ended()
        assert code == 2
        first.until("note: workers have different lists of addresses")
        assert workers.start(2).ended() == (2, said)
        assert first.ended() == (2, said)


def test_a_refused_start_can_be_left(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 3, SAME) as workers:
        first = workers.start(0)
        others = [workers.addresses[0], f"127.0.0.1:{free_ports(1)[0]}"]
        workers.start(1, addresses=others)
        first.until("note: workers have different lists of addresses")
        first.signal(signal.SIGINT)
        code, said = first.ended()
        assert code == 2
        assert "different lists of addresses" in said


def test_workers_with_other_addresses(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 2, SAME) as workers:
        first = workers.start(0)
        others = [workers.addresses[0], f"127.0.0.1:{free_ports(1)[0]}"]
        second = workers.start(1, addresses=others)
        for worker in (first, second):
            code, said = worker.ended()
            assert code == 2
            assert "workers have different lists of addresses" in said
            assert workers.addresses[1] in said
            assert others[1] in said


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 2, SAME) as workers, socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(workers.addresses[1].split(":")[1])
        holder.bind(("127.0.0.1", port))
        holder.listen()
        code, said = workers.start(1).ended()
    assert code == 75
    assert f"{workers.names(1)} cannot use port {port} of 127.0.0.1: it is taken by" in said
    assert f"process {os.getpid()} (" in said


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "which does not have that address (192.0.2.1: "),  # RFC 5737
        ("nowhere.invalid", "no machine is known by the name of worker 1 (nowhere.invalid:"),
    ],
)
def test_an_address_of_no_machine(tmp_path: Path, host: str, words: str) -> None:
    with cluster(tmp_path / "run", 2, SAME, rendezvous=0.1) as workers:
        addresses = ["192.0.2.2:2222", f"{host}:2222"]
        code, said = workers.start(1, addresses=addresses).ended()
    assert code == 2
    assert words in said


@pytest.mark.parametrize(
    ("hosts", "index", "names", "listens"),
    [
        (("anna:1", "berta:1"), 0, {"anna": ["127.0.1.1", "::1"]}, ["0.0.0.0", "::"]),
        (("anna:1", "berta:1"), 1, {"anna": ["127.0.1.1"], "berta": ["10.0.0.1"]}, ["10.0.0.1"]),
        (("anna:1", "berta:1"), 0, {"anna": ["127.0.1.1", "10.0.0.1"]}, ["127.0.1.1", "10.0.0.1"]),
        (("anna:1", "Anna.:2"), 0, {"anna": ["127.0.1.1"]}, ["127.0.1.1"]),
        (("localhost:1", "127.0.0.2:2"), 0, {"localhost": ["127.0.0.1"]}, ["127.0.0.1"]),
    ],
)
def test_where_a_worker_listens(
    monkeypatch: pytest.MonkeyPatch,
    hosts: tuple[str, ...],
    index: int,
    names: dict[str, list[str]],
    listens: list[str],
) -> None:
    """A name that stands for loopback alone, as on Debian, is another address for others."""
    monkeypatch.setattr(meeting, "check_free", lambda *given: None)
    known = {"berta": ["10.0.0.2"], "127.0.0.2": ["127.0.0.2"], "Anna.": ["127.0.1.1"]} | names
    assert _found(monkeypatch, Cluster(hosts, index, ""), known, 1.0) == listens


def test_an_address_that_a_name_server_still_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod made anew is known by that of the one before it for a while."""
    port = free_ports(1)[0]
    answers = iter([["192.0.2.1"], ["192.0.2.1"], ["127.0.0.1"]])  # RFC 5737

    class Names(dict[str, list[str]]):
        def __getitem__(self, host: str) -> list[str]:
            return next(answers, ["127.0.0.1"])

    cluster = Cluster((f"a-0.a:{port}", f"a-1.a:{port}"), 0, "")
    monkeypatch.setattr(meeting, "_listening", lambda cluster, host, addresses: addresses)
    assert _found(monkeypatch, cluster, Names(), 1.0) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("index", "kind", "words"),
    [
        (0, TryAgainError, "no machine is known by the name of worker 1 (b:1): none, for 0.1 s"),
        (1, ConfigError, "no machine is known by the name of worker 1 (b:1): none, for 0.1 s"),
    ],
)
def test_only_an_own_name_that_is_unknown_is_an_error_for_good(
    monkeypatch: pytest.MonkeyPatch, index: int, kind: type[ElectraError], words: str
) -> None:
    monkeypatch.setattr(meeting, "check_free", lambda *given: None)
    with pytest.raises(kind) as caught:
        _found(monkeypatch, Cluster(("a:1", "b:1"), index, ""), {"a": ["10.0.0.1"]}, 0.1)
    assert words in caught.value.message


def _found(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, names: dict[str, list[str]], seconds: float
) -> list[str]:
    """What `found_machines` returns where names stand for such addresses."""

    async def resolved(host: str) -> list[str]:
        try:
            return names[host]
        except KeyError:
            raise OSError("none") from None

    async def find() -> list[str]:
        return await meeting.found_machines(cluster, meeting.Patience(seconds, print))

    monkeypatch.setattr(meeting, "resolved", resolved)
    return asyncio.run(find())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with cluster(tmp_path / "file" / "run", 2, SAME) as workers:
        first, second = workers.start(0), workers.start(1)
        code, said = second.ended()
        assert code == 73
        assert f"error: {workers.names(0)}: cannot write to" in said
        code, said = first.ended()
        assert code == 73
        assert "error: cannot write to" in said
    shutil.rmtree(tmp_path)
