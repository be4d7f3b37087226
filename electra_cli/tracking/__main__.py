"""The process of a tracker: it reads orders from stdin, a JSON list a line, and answers each.

Whatever the tracker's library prints goes nowhere. A run that is killed closes stdin; then the
tracker's run is closed too.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from electra_cli.files.redaction import redacted
from electra_cli.tracking.tracker import TrackedRun, Tracker

_LONGEST_END = 60  # seconds after the last order; nobody may be there any more to end the process


def main() -> None:
    """Serves one tracker, whose class the argument names: module:Class."""
    # Ctrl-C and the signals of a scheduler are for the run, which says when it has ended.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        serve(sys.argv[1], _lines(sys.stdin), answers)


def _lines(stream: IO[str]) -> Iterator[str]:
    """Lines of a stream; some time after its end the process ends, whatever it is doing then."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)
        time.sleep(_LONGEST_END)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        yield line


def serve(name: str, orders: Iterable[str], answers: IO[str]) -> None:
    """Calls a tracker until there are no more orders.

    Args:
      name: The tracker's class, module:Class.
      orders: Each the name of a method of `Tracker` and its arguments by name, as JSON.
      answers: Gets a line for each order: what the method says, and what went wrong.
    """
    tracker: Tracker | None = None
    for line in orders:
        order, arguments = json.loads(line)
        said, error = "", ""
        try:
            if order == "start":
                module, _, of_class = name.partition(":")
                tracker = getattr(importlib.import_module(module), of_class)()
            for key, kind in (("run", TrackedRun.of_json), ("path", Path)):
                if key in arguments:
                    arguments[key] = kind(arguments[key])
            said = getattr(tracker, order)(**arguments) or ""
        except Exception as fault:
            first = (str(fault).splitlines() or [""])[0]
            error = f"{type(fault).__name__}: {first}"
        if order == "end" or (order == "start" and error):
            tracker = None
        answers.write(json.dumps(redacted([said, error])) + "\n")
        answers.flush()
    if tracker is not None:
        tracker.end("killed")


if __name__ == "__main__":
    main()
