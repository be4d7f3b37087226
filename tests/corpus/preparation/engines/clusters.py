"""Clusters for tests: one whose only worker is the test itself, and real ones on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle

from tests.places import ROOT


@dataclass
class Here:
    """A cluster that does a task when its answer is waited for.

    Attributes:
      hidden: A file or folder that its worker does not see.
      failure: What its library raises in the place of an answer.
      is_silent: Whether nothing is done, as without workers.
    """

    name: str = "the cluster"
    at_once: int = 1
    most: int = 3
    hidden: Path | None = None
    failure: Exception | None = None
    is_silent: bool = False
    largest: int = 0
    cancelled: int = 0
    waiting: deque[tuple[bytes, Any]] = field(default_factory=deque)

    def submit(self, errands: Any, tickets: Sequence[Any]) -> None:
        perform = cloudpickle.dumps(errands.perform)
        self.waiting += [(perform, ticket) for ticket in tickets]
        self.largest = max(self.largest, len(self.waiting))

    def wait(self, seconds: float) -> list[tuple[int, Any]]:
        if not self.waiting or self.is_silent:
            return []
        perform, ticket = self.waiting.popleft()
        if self.failure:
            return [(ticket[0], self.failure)]
        with self._hidden(), chdir("/"):
            return [cloudpickle.loads(perform)(ticket)]

    @contextmanager
    def _hidden(self) -> Iterator[None]:
        if self.hidden is None or not self.hidden.exists():
            yield
            return
        elsewhere = self.hidden.rename(self.hidden.with_name("elsewhere"))
        try:
            yield
        finally:
            elsewhere.rename(self.hidden)

    def has_workers(self) -> bool:
        return not self.is_silent

    def cancel(self) -> None:
        self.cancelled += 1
        self.waiting.clear()


@contextmanager
def processes(
    folder: Path, *commands: Sequence[object], **variables: str
) -> Iterator[list[subprocess.Popen[str]]]:
    """Runs commands until the end of the block; what they say is in pipes, for a while."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    with ExitStack() as stack:
        found = []
        for command in commands:
            process = subprocess.Popen(
                list(map(str, command)),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, env=environment, cwd=folder,
            )  # fmt: skip
            stack.enter_context(process)
            stack.callback(process.kill)
            found.append(process)
        yield found


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[tuple[Path, list[subprocess.Popen[str]]]]:
    """A scheduler and workers; yields the file that says where it is, and all in this order."""
    from distributed import Client

    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
    scheduler = [*dask, "scheduler", "--port", 0, *common]
    worker = [*dask, "worker", "--nthreads", 1, "--no-nanny", "--local-directory", folder, *common]
    with processes(folder, scheduler, *[worker] * workers) as all_of_them:
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers)
        yield file, all_of_them


@contextmanager
def spark_cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A standalone master and workers of one core; yields its address, and their processes."""
    import pyspark

    home = str(Path(pyspark.__file__).parent)
    variables = {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_WORKER_DIR": str(folder)}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address, deploy = f"spark://127.0.0.1:{port}", "org.apache.spark.deploy"
    start, common = [f"{home}/bin/spark-class"], ["--host", "127.0.0.1", "--webui-port", 0]
    master = [*start, f"{deploy}.master.Master", *common, "--port", port]
    worker = [*start, f"{deploy}.worker.Worker", *common, "-c", 1, "-m", "512m", address]
    with (
        processes(folder, master, **variables) as [of_master],
        processes(folder, *[worker] * workers, **variables) as of_workers,
    ):
        assert of_master.stdout
        registered = 0
        while registered < workers:
            registered += "Registering worker" in next(of_master.stdout)
        yield address, of_workers
