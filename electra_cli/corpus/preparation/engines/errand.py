"""What a cluster is sent, and what its workers make of it.

The tasks of a run lie in one file beside the output, and the library of the cluster moves no more
than the place of a task in it: so no message is large, however many tasks there are, and a worker
that does not see the output folder is noticed before it has done anything. The folder of the file
is gone once the command wants no more of them, which workers look for while they read.
"""

from __future__ import annotations

import pickle
import platform
import secrets
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import electra_cli
from electra_cli.corpus.preparation.engines.workers import Task
from electra_cli.files.atomic import TEMPORARY_SUFFIX

# The number of a task, and where in the file it begins and how long it is.
Ticket = tuple[int, int, int]
# Does a task, and returns its number with an `Answer` or a `Refusal`, pickled.
Perform = Callable[[Ticket], tuple[int, bytes]]
# A worker that has not begun, why not, in words that follow its name, and what to do about it.
Refusal = tuple[str, str, str]

_TASKS_FILE = "tasks"
# Threads of a worker's process share its tables of words, and gain nothing from each other.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """What came of a task.

    Attributes:
      value: The result, or the exception that ended it.
      worker: Who did it.
      unopened: The file that the worker could not open, if that ended it.
    """

    value: Any
    worker: str
    unopened: str | None = None


@dataclass(frozen=True)
class Errands:
    """The tasks of a run, ready to be done elsewhere.

    Attributes:
      folder: Holds them until the run is over.
      tickets: Of all tasks, in order.
      perform: Does the task of a ticket, in any process that sees the folder.
    """

    folder: Path
    tickets: list[Ticket]
    perform: Perform


@contextmanager
def written(tasks: Sequence[Task], output: Path) -> Iterator[Errands]:
    """Writes tasks where workers find them.

    Args:
      tasks: Their work can be pickled.
      output: The prepared folder.

    Raises:
      OSError: They cannot be written.
    """
    folder = output.absolute() / f".tasks.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    folder.mkdir()
    try:
        tickets = []
        with (folder / _TASKS_FILE).open("wb") as file:
            for number, task in enumerate(tasks):
                begin = file.tell()
                _Pickler(file).dump(task.work)
                tickets.append((number, begin, file.tell() - begin))
        yield Errands(folder, tickets, _performing(str(folder / _TASKS_FILE), identity()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Pickler(pickle.Pickler):
    """Makes paths absolute, since workers run elsewhere."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Path):
            return type(value), (str(value.absolute()),)
        return NotImplemented


def _performing(tasks: str, expected: dict[str, str]) -> Perform:
    """Makes the function that a worker calls.

    A function made in another is sent as it is, and not by its name. So it runs, and can say what
    is wrong, also where this package is missing or another version.
    """

    def perform(ticket: Ticket) -> tuple[int, bytes]:
        import os
        import pathlib
        import pickle
        import socket

        number, begin, size = ticket
        worker = f"{socket.gethostname()}, process {os.getpid()}"
        try:
            with pathlib.Path(tasks).open("rb") as file:
                file.seek(begin)
                task = file.read(size)
        except OSError as error:
            refusal = (
                worker,
                f"does not see the output folder: {error}",
                "mount it on all workers, under the path that it has here",
            )
            return number, pickle.dumps(refusal)
        try:
            from electra_cli.corpus.preparation.engines import errand
        except ImportError as error:
            refusal = (
                worker,
                f"has not this version of electra: {error}",
                "install the same version in the Python of all workers",
            )
            return number, pickle.dumps(refusal)
        return number, errand.answer(task, tasks, expected, worker)

    return perform


def answer(task: bytes, tasks: str, expected: dict[str, str], worker: str) -> bytes:
    """Does a task, in the process of a worker.

    Args:
      task: As it was written.
      tasks: The file that it was in; once that is gone nobody wants it done.
      expected: The `identity` of the command.
      worker: What to call this one.

    Returns:
      An `Answer` or a `Refusal`, pickled.
    """
    found = identity()
    if others := [name for name, version in expected.items() if found.get(name) != version]:
        has = ", ".join(f"{name} {found.get(name)}" for name in others)
        needs = ", ".join(f"{name} {expected[name]}" for name in others)
        hint = f"install the same in the Python of all workers: {needs}"
        return pickle.dumps((worker, f"has {has}, and this command {needs}", hint))

    def report(file: str, disk_bytes: int) -> None:
        del file, disk_bytes
        if not Path(tasks).exists():
            raise InterruptedError("the command has ended")

    try:
        with _one_at_a_time:
            report("", 0)
            value = pickle.loads(task)(report)
            value = list(value) if isinstance(value, Iterator) else value
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))  # sending loses it
        return pickle.dumps(Answer(error, worker, _unopened(error)))
    return pickle.dumps(Answer(value, worker))


def _unopened(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, FileNotFoundError | PermissionError) and error.filename:
            return str(error.filename)
        error = error.__cause__ or error.__context__
    return None


@lru_cache(maxsize=1)
def identity() -> dict[str, str]:
    """What decides the bytes that a worker writes, besides its task: names and their versions."""
    code, folder = blake2b(digest_size=4), Path(electra_cli.__file__).parent
    for path in sorted((folder / "corpus").rglob("*.py")):
        code.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return {
        "electra": f"{electra_cli.__version__} (code {code.hexdigest()})",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "tokenizers": metadata.version("tokenizers"),
    }
