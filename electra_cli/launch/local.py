"""All workers on this machine, as processes that end together and with this one."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any

from electra_cli.cluster.addresses import Cluster, ports_of, ports_taken
from electra_cli.cluster.trainer import STOP_SIGNALS
from electra_cli.errors import ConfigError, ElectraError, Terminated, TrainingError, TryAgainError
from electra_cli.launch.plan import Launch, chosen

_HOST = "127.0.0.1"
_FIRST_PORT, _LAST_PORT = 20_000, 31_999  # below those that Linux gives to outgoing connections
_TRIES = 100
_PATIENCE = 30.0  # seconds for the others, once a worker has failed
_GPUS = "CUDA_VISIBLE_DEVICES"
_TIED = (sys.executable, "-P", "-m", "electra_cli.launch.tied")
_AGAIN = "run the same command again: it goes on at the newest checkpoint"


def run_workers(
    launch: Launch,
    *,
    on_line: Callable[[int, str], None],
    environment: Mapping[str, str] = os.environ,
    program: Sequence[str] = (sys.executable, "-P", "-m", "electra_cli"),
) -> int:
    """Runs a command in several workers, and waits for them; none of them stays behind.

    Worker 0 has this process's output. What the others write to stderr is handed over line by
    line, and what they write to stdout is dropped. SIGTERM, SIGHUP and Ctrl-C are handed on to all
    workers once, who agree among themselves.

    Args:
      launch: What to run.
      on_line: Hears the lines of the others, with their numbers, from several threads.
      environment: All variables of the workers; their places in the cluster are added.
      program: What comes before the arguments of electra.

    Returns:
      The exit code of the workers; see `common_code`. Worker 0 has shown its own error.

    Raises:
      ConfigError: There are fewer GPUs than workers need.
      TryAgainError: No ports are free, or worker 0 was killed.
      TrainingError: Worker 0 crashed.
      KeyboardInterrupt: A second Ctrl-C, or it ended worker 0 before that could hear it.
      Terminated: The same of SIGTERM and SIGHUP.
    """
    chosen(launch, "local", {})
    command = [*program, *launch.arguments("tf-config")]
    with _Workers(on_line) as workers:
        for variables in _places(launch, environment):
            workers.start(command, {**environment, **variables})
        ended = workers.all_ended()
    if (first := dict(ended)[0]) < 0:
        raise _killed(-first)
    return common_code([code for _, code in ended])


class _Workers:
    """Processes that have the signals of this one, and end with it."""

    def __init__(self, on_line: Callable[[int, str], None]) -> None:
        self._on_line = on_line
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []
        self._heard: dict[str, int] = {}
        # A number and the exit code with which that worker ended, or None and a signal.
        self._news: SimpleQueue[tuple[int | None, int]] = SimpleQueue()

    def __enter__(self) -> _Workers:
        self._before = {
            number: signal.signal(number, lambda number, _: self._news.put((None, number)))
            for number in STOP_SIGNALS
            if signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for reader in self._readers:
            reader.join()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts the next worker, in a session of its own: signals come to it from here."""
        index = len(self._running)
        process = subprocess.Popen(
            [*_TIED, str(os.getpid()), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if index else None,
            stderr=subprocess.PIPE if index else None,
            start_new_session=True,
        )
        self._running[index] = process
        self._in_background(lambda: self._news.put((index, process.wait())))
        if process.stderr is not None:
            self._readers.append(self._in_background(self._read, index, process.stderr))

    def all_ended(self) -> list[tuple[int, int]]:
        """Waits for all.

        Returns:
          The number of each and its exit code, negative for a signal, in the order of their ends.

        Raises:
          KeyboardInterrupt: Ctrl-C came twice.
        """
        ended: list[tuple[int, int]] = []
        signals: list[int] = []
        deadline: float | None = None
        while self._running:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                index, number = self._news.get(timeout=left)
            except Empty:  # what does not end by itself now, does not
                self._kill()
                deadline = None
                continue
            if index is None:
                signals.append(number)
                if signals.count(signal.SIGINT) > 1:
                    raise KeyboardInterrupt
                if len(signals) == 1:
                    for process in self._running.values():
                        process.send_signal(number)
                continue
            del self._running[index]
            ended.append((index, number))
            if number and deadline is None:
                deadline = time.monotonic() + _PATIENCE
        return ended

    def _kill(self) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _read(self, index: int, stream: IO[bytes]) -> None:
        """Hands lines on, those that all workers say only once."""
        own = f"worker {index}: "
        with stream:
            for line in stream:
                text = line.decode(errors="replace").rstrip().removeprefix(own)
                if text and self._heard.setdefault(text, index) == index:
                    self._on_line(index, text)

    def _in_background(self, act: Callable[..., Any], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        thread.start()
        return thread


def common_code(codes: Sequence[int]) -> int:
    """What workers that ended differently amount to.

    Args:
      codes: Exit codes, negative for a signal, in the order of their ends.

    Returns:
      That of the first that failed by itself; else of a stop, else 75 if one was lost, else 0.
    """
    known = [code if code >= 0 else _code_of(-code) for code in codes]
    return min(known, key=lambda code: {0: 3, 75: 2, 130: 1, 143: 1}.get(code, 0))


def _code_of(number: int) -> int:
    """The exit code for a process that a signal has ended."""
    error = _killed(number)
    if isinstance(error, ElectraError):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 143


def _killed(number: int) -> BaseException:
    """The error for a worker that a signal has ended."""
    name = signal.Signals(number).name
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    if number in STOP_SIGNALS:
        return Terminated(name)
    if number == signal.SIGKILL:
        return TryAgainError(f"worker 0 was killed by {name}", hint=_AGAIN)
    return TrainingError(f"worker 0 crashed: {name}", hint="PYTHONFAULTHANDLER=1 shows where")


def _places(launch: Launch, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """The variables of each worker: its place in the cluster, and its GPUs."""
    addresses = _free_addresses(launch.nodes)
    places = []
    for index, gpus in enumerate(_gpus(launch, environment)):
        cluster = Cluster(addresses, index, "TF_CONFIG")
        places.append({"TF_CONFIG": cluster.tf_config(), **gpus})
    return places


def _gpus(launch: Launch, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """The GPUs of each worker, out of those that this process may use."""
    each = launch.gpus_per_node
    if not each:
        return [{}] * launch.nodes
    there = [str(number) for number in range(each * launch.nodes)]
    if (given := environment.get(_GPUS)) is not None:
        there = [name.strip() for name in given.split(",") if name.strip()]
    if len(there) < each * launch.nodes:
        raise ConfigError(
            f"{launch.nodes} workers with --gpus-per-node {each} need {each * launch.nodes} GPUs, "
            f"and {_GPUS} is {given}",
            hint=f"unset {_GPUS}, or use fewer --nodes",
        )
    return [
        {_GPUS: ",".join(there[first : first + each])}
        for first in range(0, each * launch.nodes, each)
    ]


def _free_addresses(number: int) -> tuple[str, ...]:
    """Addresses of workers on this machine; the port where they meet is free as well."""
    needed = ports_taken(number)
    for _ in range(_TRIES):
        first = random.randint(_FIRST_PORT, _LAST_PORT - needed + 1)
        if all(map(_is_free, range(first, first + needed))):
            return tuple(f"{_HOST}:{port}" for port in ports_of(first, number))
    raise TryAgainError(
        f"no {needed} ports beside each other are free between {_FIRST_PORT} and {_LAST_PORT}",
        hint="`ss -ltnp` shows who listens; use fewer --nodes",
    )


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True
