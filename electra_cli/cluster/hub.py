"""The chief's side of a cluster: who is there, what all say, and why it ends.

Every worker's supervisor, the chief's own too, has a seat here. Nothing in here waits: a message, a
connection that ends or a beat changes what is known, and what follows is said at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.compare import MOST_APART, differences, software
from electra_cli.cluster.ending import AGAIN, GONE, TRY_AGAIN, End
from electra_cli.cluster.link import Link
from electra_cli.cluster.protocol import Message, Timing
from electra_cli.errors import format_duration, listed

_NOT_HEARD = 2  # beats after which a worker may be lost


@dataclass
class _Seat:
    """A worker that has come."""

    link: Link
    who: str  # process and machine
    is_ready: bool = False
    given: tuple[str, Any] | None = None  # topic and value of the gather that it waits in
    is_still: bool = False  # its trainer was stopped at the last beat
    is_done: bool = False  # its trainer has ended, well or not

    @property
    def may_be_lost(self) -> bool:
        return not self.is_done and (self.is_still or self.link.silence > _NOT_HEARD)


class Hub:
    """The place where all workers of a cluster meet.

    Args:
      cluster: As the chief sees it.
      timing: How long to wait.
      word: What a worker shall see in the run folder, as `token.shown` has it.

    Attributes:
      over: Set when no worker needs this any more.
      end: Why, if it is not that all have done their work.
    """

    def __init__(self, cluster: Cluster, timing: Timing, word: str) -> None:
        self.over = asyncio.Event()
        self.end: End | None = None
        self._cluster = cluster
        self._timing = timing
        self._word = word
        self._software = software()
        self._seats: dict[int, _Seat] = {}
        self._has_begun = False
        self._stop: tuple[int, int] | None = None
        self._causes: list[tuple[int, int, End]] = []
        self._strangers = 0
        self._later = asyncio.get_running_loop().call_later
        self._came: set[str] = set()  # processes: two may have one number
        self._are_told = asyncio.Event()  # all workers, or it is time to go

    async def serve(self, link: Link, hello: Message) -> None:
        """Gives a worker its seat, and hears it until it is gone.

        Args:
          link: To its supervisor.
          hello: The first thing it has said.
        """
        index, who = hello["index"], hello["who"]
        self._came.add(who)
        if self.end is not None and not self._has_begun:
            link.say("end", **self.end.parts())
            if not self.has_late_ones:
                self._are_told.set()
            await link.listen(lambda message: None)
            return
        refusal = self._refusal(index, who, hello)
        if refusal is not None:
            if refusal.code != TRY_AGAIN and not self._has_begun:
                self._finish(refusal)
            link.say("end", **refusal.parts())
            return
        seat = self._seats[index] = _Seat(link, who)
        if len(self._seats) == self._cluster.size:
            self._has_begun = True
            self._say_all("welcome", word=self._word)
        await link.listen(lambda message: self._hear(index, seat, message))
        self._gone(index, seat, "its connection has ended")

    @property
    def has_late_ones(self) -> bool:
        """Whether a start was refused, and not by a signal, before all have heard of it."""
        refused = self.end is not None and self.end.signal is None and not self._has_begun
        return refused and len(self._came) < self._cluster.size

    async def tell_late_ones(self, seconds: float) -> None:
        """Stays for those who come late, for so long at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._are_told.wait(), seconds)

    def check(self, task: asyncio.Task[None]) -> None:
        """Ends the cluster if a task of the chief's has ended with an error."""
        if not task.cancelled() and (error := task.exception()) is not None:
            message = f"unexpected {type(error).__name__} at the chief: {error}"
            self._finish(End(70, message))

    def knocked(self) -> None:
        """Somebody without the token was at the door."""
        self._strangers += 1

    def beat(self) -> None:
        """Gives a sign of life, and misses those of others."""
        for index, seat in list(self._seats.items()):
            seat.link.say("alive")
            seat.link.silence += 1
            if seat.link.silence * self._timing.beat > self._timing.silence:
                self._gone(index, seat, f"nothing was heard of it for {self._timing.silence:g} s")

    def _refusal(self, index: int, who: str, hello: Message) -> End | None:
        """Why a worker may not have a seat."""
        names, ours = self._cluster.names, list(self._cluster.addresses)
        addresses = hello["addresses"]
        if addresses != ours:
            chief = f"{names(0)}, {self._seats[0].who}" if 0 in self._seats else names(0)
            return End(
                2,
                f"workers have different lists of addresses: {chief}, has {listed(ours, 8)}; "
                f"{who}, which calls itself worker {index}, has {listed(addresses, 8)}",
                "give all workers the same addresses, in the same order",
            )
        if told := differences(self._software, hello["software"]):
            return End(
                2,
                f"{names(0)} and {names(index)} run different software: {told}",
                "install the same on all machines",
            )
        if abs(apart := hello["clock"] - time.time()) > MOST_APART:
            return End(
                2,
                f"the clock of {names(index)} is {format_duration(abs(apart))} "
                f"{'ahead of' if apart > 0 else 'behind'} that of {names(0)}",
                "timedatectl shows the time of a machine and whether it is kept right",
            )
        if (seat := self._seats.get(index)) is None:
            return None
        message = f"there are two of {names(index)}: {seat.who} and {who}"
        if self._has_begun:
            return End(TRY_AGAIN, message, "wait until the first has ended")
        return End(2, message, "give each worker a number of its own")

    def _hear(self, index: int, seat: _Seat, message: Message) -> None:
        match message["kind"]:
            case "gather":
                seat.given = (message["topic"], message["value"])
                self._answer()
            case "alive":
                seat.is_still = message["is_still"]
            case "ready":
                seat.is_ready = True
            case "signal":
                self._stop_all(message["number"], index)
            case "leave":
                self._finish(End.by_signal(signal.SIGINT, self._cluster.names(index)))
            case "failed":
                seat.is_done = True
                hint = message["hint"] or AGAIN
                end = End(message["code"], message["message"], hint, culprit=index)
                self._blame(message["rank"], end)
            case "done":
                seat.is_done = True
                self._answer()
                if self._are_done() and not self._causes:
                    self.over.set()
                elif self._are_done():
                    self._finish(self._cause())
                elif index == 0:
                    self._later(self._timing.linger, self._end_late)

    def _answer(self) -> None:
        """Gives everyone's values to all, once all are there."""
        waiting = {i: seat.given for i, seat in self._seats.items() if seat.given is not None}
        done = [i for i in self._seats if self._is_done(i)]
        if not waiting or len(waiting) + len(done) < self._cluster.size:
            return
        names = self._cluster.names
        topics = {i: f"waits at {given[0]!r}" for i, given in sorted(waiting.items())}
        topics |= dict.fromkeys(done, "has ended")
        if len(set(topics.values())) > 1:
            if not self._causes:
                told = listed([f"{names(i)} {what}" for i, what in sorted(topics.items())], 8)
                self._finish(End(70, f"the workers are not at the same place: {told}"))
            return
        values = [waiting[i][1] for i in sorted(waiting)]
        for seat in self._seats.values():
            seat.given = None
        self._say_all("answer", values=values, stop=self._stop)

    def _stop_all(self, number: int, index: int) -> None:
        """A signal has come to a worker."""
        seats = self._seats.values()
        if self.end is not None:
            self._are_told.set()
        if self._stop is not None or self.end is not None:
            return
        self._stop = (number, index)
        if self._has_begun and all(seat.is_ready or seat.is_done for seat in seats):
            self._say_all("stopping", number=number, worker=index)
        else:
            self._finish(End.by_signal(number, self._cluster.names(index)))

    def _gone(self, index: int, seat: _Seat, how: str) -> None:
        """A connection has ended, or is as good as that."""
        if self._seats.get(index) is not seat or self.end is not None:
            return
        if not self._has_begun:  # it may come again
            del self._seats[index]
        elif not seat.is_done:
            seat.is_done = True
            message = f"{self._cluster.names(index)} was lost: {how}"
            self._blame(GONE, End(TRY_AGAIN, message, culprit=index))

    def _blame(self, rank: int, end: End) -> None:
        """One possible cause of an end; the surest and then the first one is what all are told."""
        self._causes.append((rank, len(self._causes), end))
        if rank == GONE or self._are_done():
            self._finish(self._cause())
        elif len(self._causes) == 1:
            self._later(self._timing.grace, self._decide)

    def _decide(self) -> None:
        """Ends the time in which others may end by themselves, or turn out to be the cause."""
        if any(seat.may_be_lost for seat in self._seats.values()):
            self._later(self._timing.beat, self._decide)
        else:
            self._finish(self._cause())

    def _cause(self) -> End:
        return min(self._causes, key=lambda cause: cause[:2])[2]

    def _are_done(self) -> bool:
        return all(map(self._is_done, range(self._cluster.size)))

    def _is_done(self, index: int) -> bool:
        return index in self._seats and self._seats[index].is_done

    def give_up(self) -> None:
        """Ends the cluster if not all have come, since it is time."""
        if self._has_begun:
            return
        missing = [i for i in range(self._cluster.size) if i not in self._seats]
        names = listed([self._cluster.names(i) for i in missing], 8)
        message = f"{names} did not come within {self._timing.rendezvous:g} seconds"
        hint = "look what became of it, then start all workers again"
        if self._strangers:
            message += f"; somebody with another token came {self._strangers} times"
            hint = "all workers need the same run folder, or the same ELECTRA_CLUSTER_TOKEN"
        self._finish(End(TRY_AGAIN, message, hint))

    def _end_late(self) -> None:
        """The chief has ended long ago."""
        late = [i for i in range(self._cluster.size) if not self._is_done(i)]
        names = listed([self._cluster.names(i) for i in late], 8)
        seconds = f"{self._timing.linger:g} seconds"
        self._finish(End(TRY_AGAIN, f"{names} did not end within {seconds} of the chief", AGAIN))

    def _finish(self, end: End) -> None:
        """Ends the cluster, for one reason."""
        if self.end is None and not self.over.is_set():
            self.end = end
            self._say_all("end", **end.parts())
            self.over.set()

    def _say_all(self, kind: str, **parts: Any) -> None:
        for seat in self._seats.values():
            seat.link.say(kind, **parts)
