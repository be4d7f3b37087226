"""What workers do together: it succeeds at all of them, or fails at all with one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from electra_cli import errors
from electra_cli.cluster.member import Alone, Worker
from electra_cli.errors import ElectraError

T = TypeVar("T")

ALONE = Alone()


def by_chief(worker: Worker, topic: str, act: Callable[[], T]) -> T:
    """Has the chief do something for all.

    Args:
      worker: This one.
      topic: What it is, the same at every worker.
      act: Is called at the chief alone; what it returns can be said in JSON.

    Returns:
      What it returned there.

    Raises:
      ElectraError: It raised one there.
    """
    if worker.is_chief:
        return _told(worker, topic, act)[1]
    found, _ = _told(worker, topic, lambda: None)
    value: T = found[0]["value"]
    return value


def by_all(worker: Worker, topic: str, act: Callable[[], T]) -> T:
    """Has every worker do something.

    Args:
      worker: This one.
      topic: What it is, the same at every worker.
      act: Is called at each.

    Returns:
      What it returned here.

    Raises:
      ElectraError: It raised one, here or elsewhere.
    """
    done: list[T] = []
    _told(worker, topic, lambda: done.append(act()))
    return done[0]


def _told(worker: Worker, topic: str, act: Callable[[], T]) -> tuple[list[dict[str, Any]], T]:
    """What came of it at each worker, and what it returned here."""
    try:
        value = act()
    except ElectraError as error:
        kind = next(one for one in type(error).__mro__ if one.__module__ == errors.__name__)
        said = {"error": [kind.__name__, error.message, error.hint]}
        worker.gather(topic, said)
        raise
    found = worker.gather(topic, {"value": value})
    for index, one in enumerate(found):
        if "error" in one:
            name, message, hint = one["error"]
            raise getattr(errors, name)(f"{name_of(worker, index)}: {message}", hint=hint)
    return found, value


@contextmanager
def telling(worker: Worker) -> Iterator[None]:
    """Tells the other workers if this one ends with an error."""
    try:
        yield
    except Exception as error:
        worker.failed(error)
        raise


def name_of(worker: Worker, index: int) -> str:
    """What messages call one of the workers; nothing where there is only one."""
    return worker.cluster.names(index) if worker.cluster else ""
