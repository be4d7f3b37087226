"""What a hub refuses, without a process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.compare import software
from electra_cli.cluster.hub import Hub
from electra_cli.cluster.protocol import Message, Timing

CLUSTER = Cluster(("a:1", "b:2"), 0, "a test")
HELLO: Message = {
    "kind": "hello",
    "index": 1,
    "who": "process 7 on b",
    "addresses": ["a:1", "b:2"],
}


class Said:
    """A link on which nothing comes."""

    silence = 0

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    def say(self, kind: str, **parts: Any) -> None:
        self.all.append((kind, parts))

    async def listen(self, hear: object) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"software": {**software(), "tensorflow": "2.19.1"}},
            "worker 0 (a:1) and worker 1 (b:2) run different software: "
            f"tensorflow is {software()['tensorflow']} and 2.19.1",
        ),
        (
            {"software": {**software(), "code of electra": "1234"}},
            f"code of electra is {software()['code of electra']} and 1234",
        ),
        ({"clock": 7210}, "the clock of worker 1 (b:2) is 2h 00m ahead of that of"),
        ({"clock": -7210}, "the clock of worker 1 (b:2) is 2h 00m behind that of"),
        (
            {"addresses": ["a:1", "c:3"]},
            "process 7 on b, which calls itself worker 1, has a:1, c:3",
        ),
    ],
)
def test_refused_workers_end_all(changes: dict[str, Any], words: str) -> None:
    async def meet() -> list[Said]:
        hub = Hub(CLUSTER, Timing(), "")
        chief, other = Said(), Said()
        right = {**HELLO, "software": software(), "clock": time.time()}
        serving = asyncio.create_task(hub.serve(chief, {**right, "index": 0}))  # type: ignore
        await asyncio.sleep(0)
        # What is given of the clock is how far it is apart.
        wrong = {**right, **changes, "clock": time.time() + changes.get("clock", 0)}
        await hub.serve(other, wrong)  # type: ignore
        assert hub.over.is_set()
        serving.cancel()
        return [chief, other]

    for link in asyncio.run(meet()):
        kind, end = link.all[-1]
        assert (kind, end["code"]) == ("end", 2)
        assert words in end["message"]
        assert end["hint"]
