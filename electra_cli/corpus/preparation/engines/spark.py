"""Tasks done by the executors of a Spark application, each a partition of a job."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from electra_cli.config.nearest import did_you_mean
from electra_cli.corpus.preparation.engines.cluster import check_in_reach, not_installed, told
from electra_cli.corpus.preparation.engines.errand import Errands, Ticket
from electra_cli.errors import ConfigError, TryAgainError

# A job has so many tasks for each core, and the next ones fill the gap at its end.
_TASKS_A_CORE = 4
_JOBS = 3
# How lines begin that say nothing about an error.
_ASIDES = ("WARNING", "Using", "\t", " ")
_MASTERS = "add --engine-arg master=spark://HOST:7077, yarn or k8s://https://HOST:PORT"


@contextmanager
def connected(
    engine_args: Sequence[str], on_warning: Callable[[str], None]
) -> Iterator[SparkCluster]:
    """Starts an application: `master=…`, and what else Spark is told as `spark.KEY=VALUE`.

    Args:
      engine_args: Of `--engine-arg`.
      on_warning: Is not used.

    Raises:
      ConfigError: PySpark or Java is missing, or Spark refuses what it is told.
      TryAgainError: The master does not answer.
    """
    del on_warning
    values = dict(told(engine_args))
    master = values.pop("master", None)
    if unknown := [key for key in values if not key.startswith("spark.")]:
        raise ConfigError(
            f"--engine spark knows no --engine-arg {unknown[0]}=…",
            hint=did_you_mean(unknown[0], ["master", "spark.…"], form="--engine-arg {}=…"),
        )
    try:
        import pyspark
    except ImportError as error:
        raise not_installed("spark", "PySpark") from error
    if master:
        values["spark.master"] = master
        _check_in_reach(master)
    # Workers run the Python that this command runs, which they have at the same place.
    os.environ["PYSPARK_PYTHON"] = values.pop("spark.pyspark.python", sys.executable)
    settings = {"spark.app.name": "electra prepare-data", "spark.log.level": "ERROR", **values}
    handler = signal.getsignal(signal.SIGINT)
    try:
        context = _context(pyspark, pyspark.SparkConf().setAll(list(settings.items())))
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)  # Spark has put its own in its place
    try:
        if not master and context.master.startswith("local"):  # nor has a file of Spark's named one
            raise ConfigError("--engine spark needs a master", hint=_MASTERS)
        yield SparkCluster(context)
    finally:
        context.stop()


def _context(pyspark: Any, conf: Any) -> Any:
    """Starts Java, whose words are kept for an error, and in it the application."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with tempfile.TemporaryFile() as said, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of libraries that it can do without
        try:
            gateway = pyspark.SparkContext._gateway or launch_gateway(conf, {"stderr": said})
            return pyspark.SparkContext(conf=conf, gateway=gateway)
        except Py4JJavaError as error:
            reason = _first_line(error)
            if "parse Master URL" in reason or "IllegalArgument" in reason:
                raise ConfigError(
                    f"Spark refuses what --engine-arg says: {reason}", hint=_MASTERS
                ) from error
            raise TryAgainError(
                f"the Spark application does not start: {reason}",
                hint="run the same command again once the cluster is there; --debug shows all",
            ) from error
        except PySparkRuntimeError as error:
            said.seek(0)
            words = said.read().decode("utf-8", "replace") + str(error)
            lines = [line for line in words.splitlines() if not line.startswith(_ASIDES)]
            reason = max(lines, key=lambda line: "Exception" in line)  # the first, or without any
            raise ConfigError(
                f"Spark does not start: {reason}",
                hint="it needs Java 17 or newer, on the PATH or by JAVA_HOME; --debug shows all",
            ) from error


def _check_in_reach(master: str) -> None:
    """Makes sure that a master listens, which Spark itself waits for a minute for.

    Raises:
      TryAgainError: None does; it may soon.
    """
    kind, _, places = master.partition("://")
    if kind not in ("spark", "k8s"):
        return
    try:
        urls = [urlsplit(place if "://" in place else f"//{place}") for place in places.split(",")]
        check_in_reach([(url.hostname or "", url.port or 443) for url in urls])
    except ValueError as error:
        raise ConfigError(
            f"--engine-arg master={master} is no master: {error}", hint=_MASTERS
        ) from error
    except OSError as error:
        raise TryAgainError(
            f"the Spark master at {master} does not answer: {error}",
            hint="run the same command again once it is there",
        ) from error


class SparkCluster:
    """See `Cluster`.

    Args:
      context: The application.
    """

    name = "Spark"

    def __init__(self, context: Any) -> None:
        self._context = context
        self._done: SimpleQueue[list[tuple[int, bytes]] | Exception] = SimpleQueue()

    @property
    def at_once(self) -> int:
        """See `Cluster`."""
        return _TASKS_A_CORE * self._context.defaultParallelism

    @property
    def most(self) -> int:
        """See `Cluster`."""
        return _JOBS * self.at_once

    def submit(self, errands: Errands, tickets: Sequence[Ticket]) -> None:
        """See `Cluster`."""
        done = self._done

        def run() -> None:
            try:
                job = self._context.parallelize(tickets, len(tickets)).map(errands.perform)
                done.put(job.collect())
            except Exception as error:
                done.put(error)

        threading.Thread(target=run, daemon=True).start()

    def wait(self, seconds: float) -> list[tuple[int, bytes]]:
        """See `Cluster`."""
        try:
            found = self._done.get(timeout=seconds)
        except Empty:
            return []
        if isinstance(found, Exception):
            raise RuntimeError(_first_line(found)) from found
        return found

    def has_workers(self) -> bool:
        """See `Cluster`."""
        executors = self._context._jsc.sc().statusTracker().getExecutorInfos()
        return self._context.master.startswith("local") or len(executors) > 1

    def cancel(self) -> None:
        """See `Cluster`."""
        self._context.cancelAllJobs()
        self._done = SimpleQueue()


def _first_line(error: Exception) -> str:
    """What an error of Java says, without the lines of its code."""
    java = getattr(error, "java_exception", None)
    return (java.getMessage() if java else str(error)).strip().splitlines()[0]
