"""Runs commands in processes of their own, and kills one at a chosen point of what it does.

The point is one of what Python itself reports (a file is opened for writing, renamed, removed, a
folder is made), or the call of a function, and then a delay in milliseconds. Nothing in the product
knows of it.

This process imports TensorFlow once and forks a child for each command, before any of TensorFlow's
threads runs: a child has a runtime of its own, and importing is most of what a start costs. It
reads an order a line and answers with the child's exit code (or -9) on a line.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
STEPS, SAVE, EVALUATION, FILES = "between steps", "in a save", "in an evaluation", "at other files"
WORKERS = "while workers write"
RUNS = "between runs"
TRAINING = {
    "electra_cli.training.loop.trainer:ElectraTrainer.train_loop_end": STEPS,
    "electra_cli.training.loop.trainer:ElectraTrainer.eval_reduce": EVALUATION,
    "electra_cli.training.checkpoints.saver:read_state": SAVE,
}
# Where a command is while nothing is written.
CALLS = {
    # What they say; they end with the command.
    "prepare-data": {"multiprocessing.connection:Connection.recv": WORKERS},
    "evaluate": {"electra_cli.tasks.electra:ElectraPretrainTask.aggregate_logs": EVALUATION},
    "pretrain": TRAINING,
    "finetune": TRAINING | {"electra_cli.finetuning.workbench:Workbench.begin": RUNS},
}
# What the commands import; the parent does it for its children.
MODULES = (
    "electra_cli.evaluation.evaluate",
    "electra_cli.export.formats.huggingface",
    "electra_cli.export.checks.parity",
    "electra_cli.finetuning.predicting",
    "electra_cli.training.pretrain",
    "torch",
    "transformers.models.electra.modeling_electra",
    "tensorboard.summary._tf.summary",
)


class Point:
    """Counts points and kills at one of them.

    Args:
      place: Where to die.
      number: Of the point to die at, among those of its place, from 1; 0 to live.
      delay: Milliseconds from the point to the end.
      report: Gets the numbers of points by place if the command lives.
    """

    def __init__(self, place: str, number: int, delay: float, report: Path) -> None:
        self._place, self._number, self._delay, self._report = place, number, delay, report
        self._passed = Counter[str]()
        self._armed = True

    def pass_(self, place: str) -> None:
        if not self._armed:
            return
        self._passed[place] += 1
        if place != self._place or self._passed[place] != self._number:
            return
        self._armed = False
        if self._delay:
            threading.Thread(target=self._later, daemon=True).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    def _later(self) -> None:
        time.sleep(self._delay / 1000)
        os.kill(os.getpid(), signal.SIGKILL)

    def survived(self) -> None:
        """The command has ended."""
        if self._armed:
            self._armed = False
            self._report.write_text(json.dumps(self._passed))


def watch(point: Point, folder: Path) -> None:
    """Passes a point whenever something changes below a folder."""
    # Export writes beside it, under a hidden name.
    roots = (str(folder.absolute()), str(folder.absolute().with_name(f".{folder.name}.export")))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if flags else "w" in str(mode)
        elif event in EVENTS:
            path, writes = arguments[0], True
        else:
            return
        if writes and isinstance(path, str | Path):
            absolute = str(Path(path).absolute())
            if absolute.startswith(roots):
                point.pass_(SAVE if "/.ckpt-" in absolute else FILES)

    sys.addaudithook(hook)


def wrap(point: Point, name: str, place: str) -> None:
    """Passes a point whenever a function is called."""
    module_name, _, path = name.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parts, last = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, last)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        point.pass_(place)
        return original(*args, **kwargs)

    setattr(owner, last, wrapper)


def be_victim(order: dict[str, Any]) -> int:
    """Runs the command of an order in this process, which may be killed meanwhile."""
    from electra_cli.cli.app import run

    for number, name in ((0, os.devnull), (1, order["stdout"]), (2, order["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags), number)
    arguments = order["arguments"]
    point = Point(order["place"], order["number"], order["delay"], Path(order["report"]))
    for name, place in CALLS.get(arguments[0], {}).items():
        wrap(point, name, place)
    watch(point, Path(order["folder"]))
    code = run(arguments)
    point.survived()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main() -> None:
    """Forks a victim for each line of stdin."""
    from electra_cli.environment import prepare_tensorflow, prepare_torch

    prepare_tensorflow()
    prepare_torch()
    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = be_victim(json.loads(line))
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
