"""Other programs, for a bounded time: a driver that hangs must not hang who asks for it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_LAST_WAIT = 2.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes:
      stdout: All of its standard output, up to its end.
      failure: Why there is no more; empty if it ended well.
    """

    stdout: str
    failure: str = ""


def ask(
    command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None
) -> Answer:
    """Runs a program that reads nothing, and ends it when its time is over.

    Args:
      command: The program, by its path or looked up in PATH, and its arguments.
      seconds: Its time.
      environment: Its variables; None for those of this process.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return Answer("", f"cannot be started: {error.strerror}")
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
        text = said if isinstance(said, str) else said.decode("utf-8", "replace")
        return Answer(text, f"did not end within {seconds:g} seconds")
    finally:
        if process.returncode is None:  # also after Ctrl-C
            _end(process)
    return Answer(stdout, _failure(process.returncode, stdout, stderr))


def _end(process: subprocess.Popen[str]) -> None:
    """Kills a program; one that the kernel does not let go of is not waited for."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WAIT)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


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
