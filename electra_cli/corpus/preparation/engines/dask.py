"""Tasks done by the workers of a Dask scheduler, with its futures."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from electra_cli.config.nearest import did_you_mean
from electra_cli.corpus.preparation.engines.cluster import (
    SECONDS_TO_CONNECT,
    check_in_reach,
    not_installed,
    told,
)
from electra_cli.corpus.preparation.engines.errand import Errands, Ticket
from electra_cli.errors import ConfigError, TryAgainError

_TASKS_A_THREAD = 4  # so that no worker waits for the command


@contextmanager
def connected(
    engine_args: Sequence[str], on_warning: Callable[[str], None]
) -> Iterator[DaskCluster]:
    """Connects to a scheduler: `scheduler=ADDRESS`, or the file that it has written its own into.

    Args:
      engine_args: Of `--engine-arg`.
      on_warning: Hears of workers that have several threads.

    Raises:
      ConfigError: Dask is not installed, or nothing says where the scheduler is.
      TryAgainError: The scheduler does not answer.
    """
    values = dict(told(engine_args))
    if unknown := [key for key in values if key != "scheduler"]:
        raise ConfigError(
            f"--engine dask knows no --engine-arg {unknown[0]}=…",
            hint=did_you_mean(unknown[0], ["scheduler"], form="--engine-arg {}=tcp://HOST:8786"),
        )
    try:
        import dask
        from distributed import Client
        from distributed.comm import parse_address, parse_host_port
    except ImportError as error:
        raise not_installed("dask", "Dask") from error
    address = values.get("scheduler") or dask.config.get("scheduler-address", None)
    if not address:
        raise ConfigError(
            "--engine dask needs a scheduler",
            hint="add --engine-arg scheduler=tcp://HOST:8786; for this machine alone leave "
            "--engine out",
        )
    for name in list(logging.root.manager.loggerDict):  # some have a level of their own
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what it says is said in an error
    try:
        if Path(address).is_file():
            address = json.loads(Path(address).read_text("utf-8"))["address"]
        check_in_reach([parse_host_port(parse_address(address)[1])])
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (ValueError, TypeError, LookupError) as error:
        raise ConfigError(
            f"--engine-arg scheduler={address} is no address that Dask knows: {error}",
            hint="give tcp://HOST:PORT, or the file that dask scheduler --scheduler-file wrote",
        ) from error
    except OSError as error:
        raise TryAgainError(
            f"the Dask scheduler at {address} does not answer: {error}",
            hint="start it with: dask scheduler; or run the same command again once it is there",
        ) from error
    with client:
        if any(threads > 1 for threads in client.nthreads().values()):
            on_warning(
                "the Dask cluster has workers with several threads, of which one at a time works: "
                "start them with dask worker --nthreads 1 --nworkers N"
            )
        yield DaskCluster(client)


class DaskCluster:
    """See `Cluster`.

    Args:
      client: Connected to the scheduler.
    """

    name = "the Dask cluster"
    at_once = 1

    def __init__(self, client: Any) -> None:
        self._client = client
        self._futures: dict[int, Any] = {}
        self._done: SimpleQueue[int] = SimpleQueue()

    @property
    def most(self) -> int:
        """See `Cluster`."""
        return _TASKS_A_THREAD * max(sum(self._client.nthreads().values()), 2)

    def submit(self, errands: Errands, tickets: Sequence[Ticket]) -> None:
        """See `Cluster`."""
        done = self._done
        for ticket in tickets:
            future = self._client.submit(errands.perform, ticket, pure=False)
            self._futures[ticket[0]] = future
            future.add_done_callback(lambda _, number=ticket[0]: done.put(number))

    def wait(self, seconds: float) -> list[tuple[int, bytes | Exception]]:
        """See `Cluster`."""
        found: list[tuple[int, bytes | Exception]] = []
        try:
            number = self._done.get(timeout=seconds)
            while True:
                found.append((number, _answer(self._futures.pop(number))))
                number = self._done.get_nowait()
        except Empty:
            return found

    def has_workers(self) -> bool:
        """See `Cluster`."""
        return bool(self._client.nthreads())

    def cancel(self) -> None:
        """See `Cluster`."""
        self._client.cancel(list(self._futures.values()))
        self._futures, self._done = {}, SimpleQueue()


def _answer(future: Any) -> bytes | Exception:
    from distributed import KilledWorker

    try:
        _, answer = future.result()
    except CancelledError as error:  # which is true of all that are at work
        raise ConnectionError("the connection to its scheduler is lost") from error
    except KilledWorker as error:
        count, last = error.allowed_failures + 1, error.last_worker.address
        return RuntimeError(f"{count} of its workers died while they had it, the last was {last}")
    except Exception as error:
        return error
    return answer
