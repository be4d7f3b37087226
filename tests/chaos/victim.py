"""Runs one command in this process and kills it at a chosen point of what it does.

The point is one of what Python itself reports (a file is opened for writing, renamed, removed, a
folder is made), or the call of a function, and then a delay in milliseconds. Nothing in the product
knows of it. At the end, if there is one, the number of points that were passed goes to a file.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
# Where a command is while nothing is written: between steps, inside an evaluation, …
CALLS = {
    "evaluate": ("electra_cli.task:ElectraPretrainTask.aggregate_logs",),
    "pretrain": (
        "electra_cli.training.trainer:ElectraTrainer.train_loop_end",
        "electra_cli.training.trainer:ElectraTrainer.eval_reduce",
        "electra_cli.training.state:read_state",
    ),
}


class Point:
    """Counts points and kills at one of them.

    Args:
      number: Of the point to die at, from 1; 0 to live.
      delay: Milliseconds from the point to the end.
    """

    def __init__(self, number: int, delay: float) -> None:
        self._left, self._delay = number, delay
        self.passed = 0
        self.armed = True

    def pass_(self) -> None:
        if not self.armed:
            return
        self.passed += 1
        if self.passed != self._left:
            return
        self.armed = False
        if self._delay:
            threading.Thread(target=self._later, daemon=True).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    def _later(self) -> None:
        time.sleep(self._delay / 1000)
        os.kill(os.getpid(), signal.SIGKILL)


def watch(point: Point, folder: Path) -> None:
    """Passes a point whenever something changes below a folder."""
    root = str(folder.absolute())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if flags else "w" in str(mode)
        elif event in EVENTS:
            path, writes = arguments[0], True
        else:
            return
        if writes and isinstance(path, str | Path) and str(Path(path).absolute()).startswith(root):
            point.pass_()

    sys.addaudithook(hook)


def wrap(point: Point, name: str) -> None:
    """Passes a point whenever a function is called."""
    module_name, _, path = name.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parts, last = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, last)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        point.pass_()
        return original(*args, **kwargs)

    setattr(owner, last, wrapper)


def main() -> None:
    """victim.py '{"number": 3, "delay": 0, "folder": …, "passed": …}' COMMAND…"""
    order = json.loads(sys.argv[1])
    arguments = sys.argv[2:]
    point = Point(order["number"], order["delay"])
    from electra_cli.cli.app import run
    from electra_cli.environment import prepare_tensorflow

    if arguments[0] in CALLS:
        prepare_tensorflow()
        for name in CALLS[arguments[0]]:
            wrap(point, name)
    watch(point, Path(order["folder"]))
    code = run(arguments)
    point.armed = False
    if order.get("passed"):
        Path(order["passed"]).write_text(str(point.passed))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
