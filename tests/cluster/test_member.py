"""The trainer's side of its channel, and what goes over it."""

from __future__ import annotations

import asyncio
import io
import socket

import pytest

from electra_cli.cluster.link import receive
from electra_cli.cluster.member import CHANNEL, Alone, Member, Stop
from electra_cli.cluster.protocol import NoMessageError, packed, receive_now
from electra_cli.errors import DataError, TryAgainError

START = packed("start", addresses=["a:1", "b:2"], index=1, origin="a test", path=None)


def test_a_member_asks_its_supervisor() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as said:
        ours.sendall(START)
        member = Member(theirs)
        assert (member.index, member.size, member.is_chief, member.is_alone) == (1, 2, False, False)
        assert member.cluster.names(1) == "worker 1 (b:2)"
        ours.sendall(packed("answer", values=[[1], None], stop=None))
        assert member.gather("a", (1,)) == [[1], None]
        assert member.stop is None
        ours.sendall(packed("answer", values=["chief", None], stop=[15, 1]))
        assert member.of_chief("b", "mine") == "chief"
        assert member.stop == Stop(15, 1)
        member.waiting_for("step 2", 7.0, "look")
        member.ready()
        ours.sendall(packed("noted"))
        member.failed(DataError("bad row"))
        assert [receive_now(said) for _ in range(5)] == [
            {"kind": "gather", "topic": "a", "value": [1]},
            {"kind": "gather", "topic": "b", "value": None},
            {"kind": "waiting", "what": "step 2", "most": 7.0, "hint": "look"},
            {"kind": "ready"},
            {"kind": "failed", "code": 65, "message": "bad row"},
        ]
        ours.shutdown(socket.SHUT_RDWR)
        with pytest.raises(TryAgainError, match="the process that watches over this worker"):
            member.gather("c", None)


def test_a_single_process_has_the_same_interface() -> None:
    alone = Alone()
    assert (alone.gather("a", 1), alone.of_chief("b", 2), alone.stop) == ([1], 2, None)
    public = {name for name in dir(Member) if name[0] != "_"} - {"of_environment"}
    assert public <= set(dir(alone))
    assert Member.of_environment({}) is None
    assert CHANNEL == "ELECTRA_CLUSTER_CHANNEL"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "bytes; 100 are the most"),
        (b"\0\0\0\x65" + b" " * 101, "101 bytes; 100 are the most"),
        (b"\0\0\0\2[]", "without its kind"),
        (b'\0\0\0\x0a{"kind":1}', "without its kind"),
        (b"\0\0\0\3\xff{}", "no JSON"),
        (b"\0\0\0\x60" + b"[" * 96, "no JSON"),
    ],
)
def test_what_is_no_message_is_told_from_one(sent: bytes, words: str) -> None:
    async def read() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(sent)
        return await receive(reader, 100)

    with pytest.raises(NoMessageError, match=words):
        asyncio.run(read())
    with pytest.raises(NoMessageError, match=words):
        receive_now(io.BytesIO(sent), 100)


@pytest.mark.parametrize("length", range(0, 12, 3))
def test_a_message_that_breaks_off_is_none(length: int) -> None:
    assert receive_now(io.BytesIO(packed("alive")[:length])) is None


def test_a_message_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("electra_cli.cluster.protocol.MOST_OF_A_PEER", 100)
    with pytest.raises(ValueError, match="114 bytes; 100 are the most"):
        packed("gather", value="x" * 86)
