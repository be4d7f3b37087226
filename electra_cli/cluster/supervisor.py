"""One worker: the process that the user has started, which starts the one that trains.

TensorFlow holds the interpreter for as long as it waits for another machine, and replaces handlers
of signals. So it runs in a process of its own, the trainer, and this one hears signals, the other
workers and the end of its trainer at any time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from electra_cli.cluster import meeting
from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.ending import FAILED, GONE, PERHAPS, TRY_AGAIN, End, of_wait_status
from electra_cli.cluster.hub import Hub
from electra_cli.cluster.link import Link
from electra_cli.cluster.machine import reach
from electra_cli.cluster.machine.processes import adopt_orphans, kill_descendants
from electra_cli.cluster.protocol import Message, Timing
from electra_cli.cluster.trainer import STOP_SIGNALS, Trainer
from electra_cli.errors import ElectraError

_GOOD = (0, 1)  # 1 is an evaluation that did not reach what --fail-under asks for
_STOPPED = (130, 143)
_AT_ONCE = 1.0  # seconds for the others to hear of it


class Supervisor:
    """Watches over a worker.

    Args:
      cluster: All workers.
      folder: The run folder.
      command: What the trainer runs.
      environment: All variables.
      timing: How long to wait for what.
      on_note: Hears what is worth a line on the screen.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        timing: Timing,
        on_note: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._folder = folder
        self._command = command
        self._environment = dict(environment)
        self._timing = timing
        self._on_note = on_note
        self._name = cluster.names(cluster.index)
        self._hub: Hub | None = None
        self._link: Link | None = None
        self._trainer: Trainer | None = None
        self._is_interrupted = self._is_stopping = False
        self._has_failed = self._may_show = False  # the trainer: told its error, may show it
        self._code: int | None = None  # of the trainer
        self._told: int | None = None  # with what code it said that it would end

    async def run(self) -> int:
        """Lives as long as the worker.

        Returns:
          The exit code of the trainer, which has shown why it is not 0.

        Raises:
          ElectraError, KeyboardInterrupt, Terminated: The worker has ended in another way.
        """
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[End] = loop.create_future()
        self._welcome: asyncio.Future[str] = loop.create_future()
        self._answer: asyncio.Future[list[Any]]
        adopt_orphans()
        self._tasks: list[asyncio.Task[Any]] = []
        self._start(self._beat())
        try:
            with self._signals():
                async with AsyncExitStack() as stack:
                    life = asyncio.create_task(self._live(stack))
                    self._tasks.append(life)
                    await asyncio.wait((life, self._over), return_when=asyncio.FIRST_COMPLETED)
                    if self._over.done():
                        return await self._end(self._over.result())
                    return life.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._kill()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Has something done beside the worker's life, which ends with an error of it."""

        def check(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and not self._over.done():
                self._over.set_exception(error)

        task = asyncio.create_task(work)
        task.add_done_callback(check)
        self._tasks.append(task)

    async def _live(self, stack: AsyncExitStack) -> int:
        """From the meeting to the end of the trainer, if nothing comes between."""
        cluster, folder, timing = self._cluster, self._folder, self._timing
        patience = meeting.Patience(timing.rendezvous, self._on_note)
        addresses = await meeting.found_machines(cluster, patience)
        if cluster.is_chief:
            place = meeting.held(cluster, addresses, folder, timing, self._environment, patience)
            self._hub, link = await stack.enter_async_context(place)
        else:
            way = meeting.reached(cluster, folder, timing, self._environment, patience)
            link = await stack.enter_async_context(way)
        self._link = link
        self._start(self._listen(link))
        word = await self._welcome
        try:
            await meeting.check_sees_folder(cluster, folder, word, timing)
            async with reach.listening(cluster, addresses):
                await self._gather("listening", None)
                found = await self._gather("missed", await reach.missed(cluster, timing.handshake))
            reach.check(cluster, found)
        except ElectraError as error:
            self._blame(GONE, error.message, error.hint, code=error.exit_code)
            await self._for_the_end()
        self._trainer = await Trainer.started(cluster, self._command, self._environment)
        self._start(self._trainer.link.listen(self._hear_trainer))
        code = await self._trainer.ended()
        if self._is_stopping and self._told in _STOPPED:
            code = (
                self._told
            )  # it had saved and met all others: how TensorFlow then ends is nothing
        if code in _GOOD or (self._is_stopping and code in _STOPPED):
            self._code = code
            link.say("done")
            if self._hub is not None:
                await self._hub.over.wait()
                if self._hub.end is not None:
                    self._on_note(self._hub.end.message)
            return code
        if not self._has_failed:
            rank, message, hint = of_wait_status(self._name, code)
            self._blame(rank, message, hint)
        self._code = code if code > 0 else None
        return await self._for_the_end()

    async def _gather(self, topic: str, value: Any) -> list[Any]:
        """As `Member.gather`, as long as there is no trainer."""
        assert self._link is not None
        self._link.say("gather", topic=topic, value=value)
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer

    async def _for_the_end(self) -> NoReturn:
        """Waits for `_over`; `run` goes on from there."""
        await asyncio.Event().wait()
        raise AssertionError

    async def _end(self, end: End) -> int:
        """Ends for a reason that all workers have been told."""
        is_culprit = end.culprit == self._cluster.index
        if self._trainer and self._has_failed and (self._may_show or is_culprit):
            self._show()
            self._code = self._told  # on a busy machine TensorFlow takes long to end
            with suppress(TimeoutError):
                code = await asyncio.wait_for(self._trainer.ended(), self._timing.grace)
                if code > 0:  # else TensorFlow has crashed on its way out
                    self._code = code
        self._kill()
        if self._code is None:
            raise end.error()
        if not is_culprit:
            self._on_note(end.message)
        return self._code

    def _kill(self) -> None:
        """Ends the trainer and all that it has started."""
        if self._trainer is not None:
            self._trainer.kill()
        kill_descendants()

    async def _listen(self, link: Link) -> None:
        """Hears the chief until it is gone."""
        await link.listen(self._hear)
        self._chief_is_gone("its connection has ended")

    def _hear(self, message: Message) -> None:
        match message["kind"]:
            case "welcome":
                self._welcome.set_result(message["word"])
            case "answer" if self._trainer is not None:
                self._is_stopping = self._is_stopping or message["stop"] is not None
                self._trainer.goes_on()
                self._trainer.link.say(**message)
            case "answer":
                self._answer.set_result(message["values"])
            case "stopping":
                again = "; once more leaves at once" if self._is_interrupted else ""
                name = signal.Signals(message["number"]).name
                where = self._cluster.names(message["worker"])
                self._on_note(f"{name} to {where}: saving and stopping{again}")
            case "end":
                del message["kind"]
                self._finish(End(**message))

    def _hear_trainer(self, message: Message) -> None:
        assert self._link is not None
        assert self._trainer is not None
        match message["kind"]:
            case "waiting":
                self._trainer.waits(message)
            case "gather":
                self._trainer.waits(message)
                self._link.say(**message)
            case "ready":
                self._link.say(**message)
            case "failed":
                code, told = message["code"], message["message"]
                self._has_failed, self._told = True, code
                # What may come of another worker's end waits until it is known whether it does.
                if code != TRY_AGAIN:
                    self._show()
                if not (self._is_stopping and code in _STOPPED):
                    rank = PERHAPS if code == TRY_AGAIN else FAILED
                    self._blame(rank, f"{self._name} ended with exit code {code}: {told}")

    def _show(self) -> None:
        """Lets the trainer show its error."""
        assert self._trainer is not None
        if not self._may_show:
            self._may_show = True
            self._trainer.link.say("noted")

    def _blame(self, rank: int, message: str, hint: str = "", *, code: int = TRY_AGAIN) -> None:
        """Says that this worker is why others end."""
        assert self._link is not None
        self._link.say("failed", rank=rank, message=message, hint=hint, code=code)

    def _finish(self, end: End) -> None:
        if not self._over.done():
            self._over.set_result(end)

    def _chief_is_gone(self, how: str) -> None:
        end = End(TRY_AGAIN, f"{self._cluster.names(0)} was lost: {how}", culprit=0)
        self._blame(GONE, end.message)  # a chief that stood still hears it, once it goes on
        self._finish(end)

    async def _beat(self) -> None:
        """Gives a sign of life, and misses those of others."""
        beat, silence = self._timing.beat, self._timing.silence
        while True:
            await asyncio.sleep(beat)
            if self._link is not None:
                is_still = self._trainer is not None and self._trainer.is_still
                self._link.say("alive", is_still=is_still)
                self._link.silence += 1
                if self._link.silence * beat > silence:
                    self._chief_is_gone(f"nothing was heard of it for {silence:g} s")
            trainer = self._trainer if self._code is None else None
            if trainer is not None and (stuck := trainer.beat(self._timing)):
                self._blame(GONE, *stuck)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Hears what asks to stop; what was ignored before stays ignored."""
        loop = asyncio.get_running_loop()
        heard = [n for n in STOP_SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _signalled(self, number: int) -> None:
        again = number == signal.SIGINT and self._is_interrupted
        self._is_interrupted |= number == signal.SIGINT
        end = End.by_signal(number, self._name)
        if self._link is None:
            self._finish(end)
        elif again:
            self._link.say("leave")
            asyncio.get_running_loop().call_later(_AT_ONCE, self._finish, end)
        else:
            self._link.say("signal", number=number)
