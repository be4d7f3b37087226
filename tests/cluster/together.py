"""Workers that are threads of the test: what gathers share, without processes or connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.member import Alone, Stop

ADDRESSES = ("a:1", "b:1", "c:1")
_LONG = 60.0  # until a thread gives up waiting for the others


class Together(Alone):
    """One of several workers; `shared` has the barrier and a place for each value."""

    is_alone = False

    def __init__(self, index: int, size: int, shared: dict[str, Any]) -> None:
        self.cluster = Cluster(ADDRESSES[:size], index, "TEST")
        self.index, self.size, self.is_chief = index, size, index == 0
        self.is_ready = False
        self._shared = shared

    def gather(self, topic: str, value: Any) -> list[Any]:
        """As `Member.gather`; the topics have to be the same."""
        self._shared["given"][self.index] = (topic, value)
        self._shared["barrier"].wait(_LONG)
        topics, values = zip(*self._shared["given"], strict=True)
        assert len(set(topics)) == 1, topics
        self.stop = self._shared.get("stop")
        self._shared["barrier"].wait(_LONG)
        return list(values)

    def of_chief(self, topic: str, value: Any) -> Any:
        """As `Member.of_chief`."""
        return self.gather(topic, value)[0]

    def ready(self) -> None:
        """As `Member.ready`."""
        self.is_ready = True

    def told_to_stop(self, number: int, worker: int) -> None:
        """From the next gather on all are to stop."""
        self._shared["stop"] = Stop(number, worker)


def at_each(size: int, act: Callable[[Together], Any]) -> list[Any]:
    """Calls a function at all workers at once; what each returned or raised."""
    shared = {"given": [None] * size, "barrier": threading.Barrier(size)}

    def one(index: int) -> Any:
        try:
            return act(Together(index, size, shared))
        except threading.BrokenBarrierError:
            raise
        except Exception as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))
