"""What was found, written after each part, so that being cut off loses nothing of it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from electra_cli.files.atomic import atomic_write_text

FILE, DAMAGED, LOG = "results.json", "results.damaged.json", "log.txt"


class Results:
    """The parts that are done, in OUT/results.json; OUT/log.txt is beside it.

    Args:
      folder: OUT; what an earlier call has left there is kept, or set aside if it is damaged.
      about: What every call says of itself, with `device`, `cards` and `dry_run`.

    Raises:
      ValueError: What an earlier call has left is of another device or card, or of a dry run.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / FILE
        self.log = folder / LOG
        self.parts: dict[str, dict[str, Any]] = {}
        self._calls: list[dict[str, Any]] = []
        if self.file.is_file():
            try:
                earlier = json.loads(self.file.read_text(encoding="utf-8"))
                kinds = {_kind(call) for call in earlier["calls"]}
                self.parts, self._calls = dict(earlier["parts"]), list(earlier["calls"])
            except (ValueError, LookupError, TypeError):
                kinds = set()
                self.file.replace(folder / DAMAGED)
                print(f"{self.file} was damaged; it is now {DAMAGED}", file=sys.stderr)
            if others := kinds - {_kind(about)}:
                raise ValueError(f"{self.file} has results of {others.pop()}, not {_kind(about)}")
        self._calls.append(about)

    def is_done(self, name: str) -> bool:
        """Whether a part has a result; what has failed in it is tried again.

        That a side has too little memory is a result.
        """
        found = self.parts.get(name)
        return found is not None and "error" not in found and not _has_failed(found)

    def keep(self, name: str, found: dict[str, Any], seconds: float) -> None:
        """Writes the result of a part; one that failed as a whole takes no earlier one's place."""
        if "error" in found and "error" not in self.parts.get(name, found):
            return
        call = len(self._calls) - 1
        self.parts[name] = {**found, "seconds": round(seconds, 1), "call": call}
        record = {
            "format_version": 1,
            "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "calls": self._calls,
            "parts": self.parts,
        }
        atomic_write_text(self.file, json.dumps(record, indent=1) + "\n")


def _kind(call: dict[str, Any]) -> str:
    """The options and cards whose results must not be mixed with those of others."""
    cards = f" ({', '.join(call['cards'].splitlines()[1:])})" if call["cards"] else ""
    return f"--device {call['device']}{cards}" + (" --dry-run" if call["dry_run"] else "")


def _has_failed(found: dict[str, Any]) -> bool:
    """Whether a side has an error other than of memory, however deep."""
    if "error" in found:
        return not found["memory"]
    return any(_has_failed(value) for value in found.values() if isinstance(value, dict))
