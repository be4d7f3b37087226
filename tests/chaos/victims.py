"""Commands as children of one process that has imported TensorFlow, see `victim.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Ended:
    """A process that is over.

    Attributes:
      code: Its exit code, or minus the signal.
      report: How many points of each place it passed, JSON; empty if it was killed.
      stdout: All of it.
      stderr: All of it.
    """

    code: int
    report: str
    stdout: str
    stderr: str


class Victims:
    """Starts commands, one after the other.

    Args:
      work: A folder for their streams.
      prefix: A command to start them with, such as `unshare --net`.
      environment: Of them all; None for that of this process.
    """

    def __init__(
        self,
        work: Path,
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._work = work
        self._parent = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.chaos.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._parent.communicate()  # the end of its input is its end

    def run(
        self,
        arguments: Sequence[object],
        *,
        folder: Path | None = None,
        place: str = "",
        number: int = 0,
        delay: float = 0.0,
    ) -> Ended:
        """Runs a command until it ends or is killed.

        Args:
          arguments: Its command line without `electra`.
          folder: Changes below it are points to be killed at.
          place: Where to be killed, a name of `victim.py`.
          number: The point of that place to be killed at; 0 to live.
          delay: Milliseconds from there to the end.
        """
        names = {name: self._work / f"victim.{name}" for name in ("report", "stdout", "stderr")}
        for path in names.values():
            path.write_text("")
        order = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder or self._work),
            "place": place,
            "number": number,
            "delay": delay,
            **{name: str(path) for name, path in names.items()},
        }
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(order) + "\n")
        self._parent.stdin.flush()
        code = int(self._parent.stdout.readline())
        return Ended(code, **{name: path.read_text() for name, path in names.items()})

    def finished(self, arguments: Sequence[object], *, folder: Path | None = None) -> Ended:
        """Runs a command to its good end."""
        ended = self.run(arguments, folder=folder)
        assert ended.code == 0, ended.stderr
        return ended
