"""What workers of tests do; their processes import this and no pytest."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.engines.workers import _serve
from electra_cli.corpus.preparation.plan import Report
from electra_cli.files.atomic import AtomicFile

# At which file a process ends, and how: by a signal, with an exit code, or not at all.
Try = tuple[str, signal.Signals | int | None]


def read(file: str, report: Report) -> str:
    report(file, 5)
    return file


def blocked_signals(report: Report) -> set[signal.Signals]:
    del report
    return {signal.Signals(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])}


def serve_as_in_a_cluster(connection: Connection) -> None:
    """A worker's process whose parent has all signals to stop blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _serve(connection)


def _attempt(folder: Path) -> int:
    """Which try this is, from 0."""
    number = len(list(folder.iterdir()))
    (folder / str(number)).touch()
    return number


def end(how: signal.Signals | int | None) -> None:
    if how == signal.SIGABRT:
        os.abort()
    if isinstance(how, signal.Signals):
        os.kill(os.getpid(), how)
    elif how is not None:
        os._exit(how)


def read_or_die(tries: Sequence[Try], folder: Path, report: Report) -> str:
    file, how = tries[_attempt(folder)]
    report("before.txt", 2)
    report(file, 3)
    end(how)
    return file


def cut(count: int, dies_after: int | None, folder: Path, report: Report) -> Iterator[int]:
    """Yields numbers; its first process dies when it has given so many."""
    attempt = _attempt(folder)
    report("a.gz", 0)
    for number in range(count):
        if number == dies_after and attempt == 0:
            end(signal.SIGKILL)
        yield number


def write_for_ever(path: Path, is_deaf: bool, report: Report) -> None:
    if is_deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    file = AtomicFile(path)
    try:
        report(str(os.getpid()), 0)
        threading.Event().wait()
    finally:
        file.discard()


def die_reading(
    times: int,
    folder: Path,
    prepare: Callable[..., Any],
    slice_: Any,
    settings: Any,
    report: Report,
) -> Any:
    """Prepares, but is killed so many times while it reads the third slice, of a stream or not."""
    is_third = 2 in (slice_.index, getattr(slice_, "number", None))

    def kill(file: str, disk_bytes: int) -> None:
        report(file, disk_bytes)
        of_stream = len(list(settings.output.glob("slices/00000-*.json")))
        # A process that has a stream for itself reads on where two slices of it are finished.
        begun = is_third or (getattr(slice_, "is_stream", False) and of_stream == 2)
        if begun and _attempt(folder) < times:
            end(signal.SIGKILL)

    return prepare(slice_, settings, kill)


def fail(error: Exception, report: Report) -> None:
    report("a.txt", 0)
    raise error


def tell_and_wait() -> None:
    """Says on stdout which process it is and which it has started, and then waits."""
    from functools import partial

    from electra_cli.corpus.preparation.engines.workers import Task, Workers

    task = Task("slice 0", "", partial(write_for_ever, Path("x"), False))
    with Workers(1) as workers:
        workers.one(task, lambda done: print(workers._workers[0].file, flush=True))  # noqa: T201


def report_for_ever(folder: Path, report: Report) -> None:
    """Works until nobody wants it any more; a file says that it has begun, or has ended."""
    name = secrets.token_hex(4)
    (folder / f"{name}.begun").touch()
    try:
        while True:
            report("a.txt", 0)
    finally:
        (folder / f"{name}.ended").touch()


def read_beside_another(folder: Path, report: Report) -> str:
    """Ends when another task has begun to report for ever."""
    while not list(folder.glob("*.begun")):
        report("a.txt", 0)
    return "a.txt"


def is_alone(lock: str, report: Report) -> bool:
    """Whether this process does nothing else."""
    from electra_cli.corpus.preparation.engines import errand

    return getattr(errand, lock).locked()
