"""Processes that are asked to measure: a line of JSON in, a line of JSON out.

TensorFlow and PyTorch each have one, which keeps what it has compiled. What libraries print goes to
a log. A question that fails or takes too long ends the process, since CUDA does not forgive all
errors and memory comes back for certain; the next question starts another.

`workers.py ROLE DEVICE` is such a process; ROLE is a module beside this file, and nothing but what
that needs is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_LONGEST = 600  # characters of an error that are kept
_MEMORY = ("resource_exhausted", "resourceexhausted", "out of memory", "outofmemory")
_LEAVING = 5.0  # seconds a process has to end by itself


class WorkerError(Exception):
    """A question was not answered.

    Args:
      message: Why.
      memory: It was for want of memory.
    """

    def __init__(self, message: str, *, memory: bool = False) -> None:
        super().__init__(message)
        self.memory = memory

    @property
    def record(self) -> dict[str, Any]:
        """What is written of it."""
        return {"error": str(self), "memory": self.memory}


class Worker:
    """A process that answers one question after the other.

    Args:
      command: Starts it; it calls `serve`.
      environment: All its variables.
      log: Hears what it says on stderr.
    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> None:
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._asked = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._open: set[int] = set()

    @property
    def is_busy(self) -> bool:
        """Whether it still owes an answer."""
        while self._open and not self._lines.empty():
            self._hear(self._lines.get())
        return bool(self._open)

    def owes(self, number: int) -> bool:
        """Whether the answer to a question is to come, or is here and has not been received."""
        return number in self._open or number in self._answers

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def send(self, call: str, /, **arguments: Any) -> int:
        """Asks, without waiting for the answer.

        Returns:
          The number of the question, for `receive`.
        """
        if not self.is_running:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._asked += 1
        self._open.add(self._asked)
        line = json.dumps({"number": self._asked, "call": call, "arguments": arguments})
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.end()
        return self._asked

    def receive(self, number: int, seconds: float) -> Any:
        """Waits for an answer.

        Raises:
          WorkerError: The function has failed, the process has died, or time is up.
        """
        end = time.monotonic() + seconds
        while number not in self._answers:
            if number not in self._open:
                raise WorkerError("its process has ended; see the log")
            try:
                self._hear(self._lines.get(timeout=max(0.1, end - time.monotonic())))
            except queue.Empty:
                self.end()
                raise WorkerError(f"no answer in {seconds:.0f} s") from None
        answer = self._answers.pop(number)
        if "error" in answer:
            self.end()
            raise WorkerError(answer["error"], memory=answer["memory"])
        return answer["result"]

    def ask(self, call: str, seconds: float, /, **arguments: Any) -> Any:
        """Asks and waits; errors are those of `receive`."""
        return self.receive(self.send(call, **arguments), seconds)

    def end(self) -> None:
        """Ends the process and its children, at once where it is at work.

        All that has not been received is forgotten, with what the process had prepared.
        """
        process, at_work = self._process, bool(self._open)
        self._process = None
        self._open.clear()
        self._answers.clear()
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            process.stdin.close()
            process.wait(0 if at_work else _LEAVING)
        end_group(process)

    def _start(self) -> None:
        self.end()
        self._lines = queue.Queue()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(self._environment),
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), daemon=True
        ).start()

    def _hear(self, line: str | None) -> None:
        if line is None:
            self.end()
            return
        answer = json.loads(line)
        self._open.discard(answer["number"])
        self._answers[answer["number"]] = answer


def _read(stdout: IO[str], lines: queue.Queue[str | None]) -> None:
    with stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def end_group(process: subprocess.Popen[Any]) -> None:
    """Ends a process that was started in a session of its own, with all its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def serve(start: Callable[[], Mapping[str, Callable[..., Any]]]) -> None:
    """Answers the questions on stdin until there are no more.

    Args:
      start: Gives what can be asked, by name; what that returns has to be what JSON can hold.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed must not look like an answer
    functions: Mapping[str, Callable[..., Any]] = {}
    for line in sys.stdin:
        question = json.loads(line)
        answer: dict[str, Any] = {"number": question["number"]}
        try:
            functions = functions or start()
            answer["result"] = functions[question["call"]](**question["arguments"])
        except Exception as error:
            traceback.print_exc()
            text = f"{type(error).__name__}: {error}"
            answer |= {"error": " ".join(text.split())[:_LONGEST], "memory": is_memory(text)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def is_memory(text: str) -> bool:
    """Whether an error of TensorFlow or PyTorch is about memory."""
    return any(word in text.lower() for word in _MEMORY)


def _main() -> None:
    role, device = sys.argv[1:]
    sys.path[0] = str(Path(__file__).parents[1])
    serve(lambda: dict(importlib.import_module(f"gpu_parts.{role}").start(device)))


if __name__ == "__main__":
    _main()
