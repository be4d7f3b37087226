"""Other programs, with bounds: one that hangs, or prints without end, must not harm who asks it."""

from __future__ import annotations

import math
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

_LAST_WAIT = 2.0  # seconds
_SOON = 2.0  # seconds for which nobody wonders
_AT_ONCE = 2**16  # bytes
_MOST = 2**20  # bytes of standard output
_LAST_WORDS = 2**14  # bytes of standard error that are kept, from its end


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes:
      stdout: All of its standard output, up to its end.
      failure: Why there is no more; empty if it ended well.
      is_there: There is such a program.
    """

    stdout: str
    failure: str = ""
    is_there: bool = True


def ask(
    command: Sequence[str],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    slow: Callable[[], object] = lambda: None,
) -> Answer:
    """Runs a program that reads nothing, and ends it when its time or its room is over.

    Args:
      command: The program, by its path or looked up in PATH, and its arguments.
      seconds: Its time.
      environment: Its variables; None for those of this process.
      slow: Called once if it does not end soon.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,  # what it starts is ended with it
        )
    except OSError as error:
        # A script is there also where what shall read it is not.
        is_there = not isinstance(error, FileNotFoundError) or bool(shutil.which(command[0]))
        return Answer("", f"cannot be started: {error.strerror}", is_there)
    stdout, stderr = bytearray(), bytearray()
    try:
        failure = _listen(process, stdout, stderr, seconds, slow)
    finally:
        if process.returncode is None:  # also after Ctrl-C
            _end(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    said, told = (text.decode("utf-8", "replace") for text in (stdout, stderr))
    return Answer(said, failure or _failure(process.returncode, said, told))


def _listen(
    process: subprocess.Popen[bytes],
    stdout: bytearray,
    stderr: bytearray,
    seconds: float,
    slow: Callable[[], object],
) -> str:
    """Adds to both what a program says, and returns why it must be ended; empty if it has ended."""
    end = time.monotonic() + seconds
    soon = time.monotonic() + _SOON
    with selectors.DefaultSelector() as streams:
        for stream, text in ((process.stdout, stdout), (process.stderr, stderr)):
            streams.register(cast(IO[bytes], stream), selectors.EVENT_READ, text)
        while streams.get_map():
            now = time.monotonic()
            if now >= end:
                return f"did not end within {seconds:g} seconds"
            if now >= soon:
                soon = math.inf
                slow()
            for key, _ in streams.select(min(end, soon) - now):
                said = os.read(key.fd, _AT_ONCE)
                key.data.extend(said)
                if not said:
                    streams.unregister(key.fileobj)
            if len(stdout) > _MOST:
                del stdout[_MOST:]
                return f"printed more than {_MOST / 2**20:g} MiB"
            del stderr[:-_LAST_WORDS]
    try:
        process.wait(end - time.monotonic())
    except subprocess.TimeoutExpired:
        return f"did not end within {seconds:g} seconds"
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills a program and its own; one that the kernel does not let go of is not waited for."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WAIT)


def _failure(code: int, stdout: str, stderr: str) -> str:
    if code == 0:
        return ""
    # A program that ends itself may say why on stdout; one that is ended has said something else.
    said = stderr.strip() or (stdout.strip() if code > 0 else "")
    lines = said.splitlines()
    last = f": {lines[-1]}" if lines else ""
    if code > 0:
        return f"ended with {code}{last}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}{last}"
