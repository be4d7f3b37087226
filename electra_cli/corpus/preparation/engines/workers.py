"""Processes that work, and the one rule for a library that ends its process.

A task whose process dies is tried a second time in another one. What the process was reading it has
said on its pipe, where the words outlive it. The command's own process reads no text.

Processes are forked by a server that has imported what they need and nothing more: a start takes
5 ms, and there are no threads that a fork would lose.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from electra_cli.corpus.preparation.engines.server import start_process
from electra_cli.corpus.preparation.plan import Report
from electra_cli.errors import DataError, ElectraError, TrainingError, TryAgainError

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_END = 1.0


@dataclass(eq=False)
class Task:
    """Something for a worker to do.

    Attributes:
      name: What errors call it.
      file: The first file that it reads, as errors call it; empty if it reads no text.
      work: Does it, and returns the result, or an iterator over several; can be pickled.
      weight: Bytes on disk that are done with it; 0 if it tells all that it does.
    """

    name: str
    file: str
    work: Callable[[Report], Any]
    weight: int = 0
    results: int = 0  # received so far
    died: str | None = None  # the file at which its first process died


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    task: Task | None = None
    is_reader: bool = False
    file: str = ""  # that it reads
    disk_bytes: int = 0  # done of the task
    results: int = 0  # of the task
    has_spoken: bool = False


@dataclass
class Workers:
    """Processes that are started when they are needed, and kept.

    Use it as a context: none outlives it.

    Args:
      count: How many tasks run at once, readers apart.
      on_warning: Receives which process has ended and that its task is tried again.
    """

    count: int
    on_warning: Callable[[str], None] = lambda text: None
    _workers: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._end(self._workers)

    def _end(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(_SECONDS_TO_END)
            worker.process.kill()  # a library does not listen
            worker.process.join()
            worker.connection.close()
        self._workers = [worker for worker in self._workers if worker not in workers]

    def one(self, task: Task, on_progress: Callable[[int], None] = lambda done: None) -> Any:
        """The result of one task; see `results`."""
        for _, result in self.run([task], on_progress):
            if isinstance(result, Exception):
                raise result
        return result

    def run(
        self, tasks: Iterable[Task], on_progress: Callable[[int], None]
    ) -> Iterator[tuple[Task, Any]]:
        """See `Engine` and `results`."""
        return self.results(deque(tasks), on_progress)

    def results(
        self,
        queue: deque[Task],
        on_progress: Callable[[int], None],
        *,
        readers: deque[Task] | None = None,
    ) -> Iterator[tuple[Task, Any]]:
        """Runs tasks until none is left, and hands out what comes of them.

        Args:
          queue: Tasks; whoever receives a result may add more.
          on_progress: Receives the bytes on disk done since the call, when there are more and twice
            a second.
          readers: Tasks whose results become tasks of the queue. One at a time runs beside the
            others, and stops while the queue has something left.

        Yields:
          A task, and a result of it or the error that ended it. Closing it ends what is at work.

        Raises:
          DataError: A process died twice in one task, both times at the same file.
          TryAgainError: It died at two different files.
          TrainingError: Processes cannot start.
        """
        try:
            yield from self._results(queue, on_progress, readers or deque())
        finally:
            self._end([worker for worker in self._workers if worker.task])

    def _results(
        self, queue: deque[Task], on_progress: Callable[[int], None], readers: deque[Task]
    ) -> Iterator[tuple[Task, Any]]:
        done = 0
        while queue or readers or any(worker.task for worker in self._workers):
            self._give_out(queue, most=self.count, is_reader=False)
            self._give_out(readers, most=1, is_reader=True)
            heard = {
                worker.connection: worker
                for worker in self._workers
                if worker.task and not (worker.is_reader and queue)
            }
            before = done
            ready = wait(list(heard), timeout=_SECONDS_BETWEEN_LOOKS)
            for connection in ready:
                worker = heard[connection]  # type: ignore[index]
                task = worker.task
                assert task is not None
                try:
                    kind, *said = worker.connection.recv()
                except (EOFError, OSError):
                    done -= worker.disk_bytes
                    self._workers.remove(worker)
                    self.on_warning(_first_death(worker, task))
                    (readers if worker.is_reader else queue).appendleft(task)
                    continue
                worker.has_spoken = True
                if kind == "reads":
                    worker.file, disk_bytes = said
                    worker.disk_bytes += disk_bytes
                    done += disk_bytes
                elif kind == "result":
                    worker.results += 1
                    if worker.results > task.results:  # else the first process gave it
                        task.results = worker.results
                        yield task, said[0]
                else:
                    worker.task = None
                    if kind == "error":
                        yield task, said[0]
                    elif task.weight:
                        done += task.weight - worker.disk_bytes
            if done != before or not ready:
                on_progress(done)

    def _give_out(self, tasks: deque[Task], *, most: int, is_reader: bool) -> None:
        """Gives tasks to processes until so many are at work."""
        at_work = sum(
            worker.task is not None for worker in self._workers if worker.is_reader == is_reader
        )
        for _ in range(min(most - at_work, len(tasks))):
            worker = next((worker for worker in self._workers if worker.task is None), None)
            if worker is None:
                worker = _start()
                self._workers.append(worker)
            worker.task = tasks.popleft()
            worker.is_reader, worker.file = is_reader, worker.task.file
            worker.disk_bytes = worker.results = 0
            with suppress(OSError):  # it has died, which is found out when it is heard
                worker.connection.send(worker.task.work)


def _start() -> _Worker:
    """Starts a process.

    Raises:
      TrainingError: Its server has ended.
    """
    here, there = multiprocessing.Pipe()
    try:
        process = start_process(_serve, there)
    except (EOFError, ConnectionError) as error:
        raise _cannot_start() from error
    there.close()
    return _Worker(process, here)


def _cannot_start() -> TrainingError:
    return TrainingError(
        "worker processes cannot start",
        hint="what they said stands above on stderr; PYTHONPATH may name modules that take the "
        "place of Python's",
    )


def _first_death(worker: _Worker, task: Task) -> str:
    """What to say of a process that has ended, if it is the first to end at its task.

    Raises:
      ElectraError: It is the second, or could not even start.
    """
    worker.process.join()
    code = worker.process.exitcode or 0
    if code > 0 and not worker.has_spoken:
        raise _cannot_start()
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    if task.died is not None:
        raise _died_twice(task, worker.file, how)
    task.died = worker.file
    reads = f" that read {worker.file}" if worker.file else ""
    return f"{task.name}: a worker process{reads} ended by {how}; another one tries once more"


def _died_twice(task: Task, file: str, how: str) -> ElectraError:
    if file and task.died == file:
        return DataError(
            f"{task.name}: a worker process that read {file} ended by {how}, and so did a second "
            "one",
            hint="if the machine is short of memory, the same command with fewer --workers goes on "
            f"where it stopped; else leave {file} out or write it anew, with another --output",
        )
    at, before = (f" at {place}" if place else "" for place in (file, task.died))
    return TryAgainError(
        f"{task.name}: a worker process ended by {how}{at}, and another one before{before}",
        hint="run the same command again, finished slices are kept; fewer --workers need less "
        "memory",
    )


def _serve(connection: Connection) -> None:
    """Does tasks until the command has no more of them."""
    signal.signal(signal.SIGTERM, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # as a worker of a cluster has it
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError):  # the command has ended
        while True:
            work = connection.recv()
            try:
                result = work(lambda file, disk_bytes: connection.send(("reads", file, disk_bytes)))
                for each in result if isinstance(result, Iterator) else [result]:
                    connection.send(("result", each))
                connection.send(("end",))
            except Exception as error:
                error.add_note("".join(traceback.format_exception(error)))  # sending loses it
                connection.send(("error", error))


def _end(number: int, frame: object) -> None:
    """Ends the process so that what it was writing is removed; no fault of the input."""
    sys.exit(128 + number)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
