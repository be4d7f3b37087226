"""What was found, written after each part, so that being cut off loses nothing of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from electra_cli.files.atomic import atomic_write_text

FILE, LOG = "results.json", "log.txt"


class Results:
    """The parts that are done, in OUT/results.json; OUT/log.txt is beside it.

    Args:
      folder: OUT; what an earlier call has left there is kept.
      about: What every call says of itself.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self.log = folder / LOG
        self.parts: dict[str, dict[str, Any]] = {}
        self._calls: list[dict[str, Any]] = []
        if self._file.is_file():
            earlier = json.loads(self._file.read_text(encoding="utf-8"))
            self.parts, self._calls = earlier["parts"], earlier["calls"]
        self._calls.append(about)

    def is_done(self, name: str) -> bool:
        """Whether a part has a result; one that has failed is tried again."""
        return name in self.parts and "error" not in self.parts[name]

    def keep(self, name: str, found: dict[str, Any], seconds: float) -> None:
        """Writes the result of a part."""
        call = len(self._calls) - 1
        self.parts[name] = {**found, "seconds": round(seconds, 1), "call": call}
        record = {
            "format_version": 1,
            "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "calls": self._calls,
            "parts": self.parts,
        }
        atomic_write_text(self._file, json.dumps(record, indent=1) + "\n")
