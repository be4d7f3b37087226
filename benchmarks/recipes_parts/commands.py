"""The commands of electra, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class CommandError(Exception):
    """A command has failed.

    Attributes:
      code: Its exit code.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Electra(Protocol):
    """What runs a command line."""

    def __call__(self, *arguments: object) -> dict[str, Any]:
        """Runs it, and returns the object of `--json`.

        Raises:
          CommandError: It has failed.
        """


class Processes:
    """Runs `electra` as users do.

    Args:
      log: Hears what it warns of.
    """

    def __init__(self, log: Path) -> None:
        self._log = log

    def __call__(self, *arguments: object) -> dict[str, Any]:
        """Runs it, and returns the object of `--json`; see `Electra`."""
        command = [sys.executable, "-m", "electra_cli", *map(str, arguments), "--json", "--quiet"]
        with self._log.open("ab") as errors:
            errors.write(f"$ electra {' '.join(command[3:])}\n".encode())
            errors.flush()
            # In a session of its own: Ctrl-C would reach it too, and a second signal ends the
            # saving of the checkpoint from which the run goes on.
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
            try:
                output, _ = process.communicate()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        return found_in(process.returncode, output.decode(errors="replace"))


def found_in(code: int, output: str) -> dict[str, Any]:
    """The object that a command has printed.

    Raises:
      CommandError: It has failed.
    """
    try:
        found: Mapping[str, Any] = json.loads(output)
    except ValueError:
        found = {}
    if code:
        message = found.get("error", {}).get("message", output[-300:])
        raise CommandError(code, f"exit code {code}: {message}")
    return dict(found)
