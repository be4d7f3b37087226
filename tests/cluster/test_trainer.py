"""What a supervisor knows of its trainer: what that waits for, and what it is given."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from electra_cli.cluster.protocol import Timing
from electra_cli.cluster.trainer import Trainer
from tests.cluster.workers import cluster

WAITS = {"kind": "waiting", "what": "a file", "most": 4.0, "hint": "look at it"}
STUCK = ("nothing has ended for 4 seconds at worker 1, which waits for a file", "look at it")


@pytest.mark.parametrize(
    ("said", "beats"),
    [
        ([WAITS], 3),
        ([{**WAITS, "most": 0.0}], None),
        ([WAITS, {"kind": "gather"}], None),
        ([{"kind": "gather"}, "answer", WAITS], 3),
        ([WAITS, {"kind": "gather"}, "answer"], 3),
        ([WAITS, "beat", "beat", WAITS], 3),
        ([WAITS, "beat", "beat", {**WAITS, "most": 0.0}], None),
        ([], None),
    ],
)
def test_the_wait_of_a_trainer_has_an_end(said: list[Any], beats: int | None) -> None:
    """But in a gather, where others are waited for, only theirs has."""
    trainer = Trainer("worker 1", SimpleNamespace(pid=os.getpid()), None)  # type: ignore[arg-type]
    timing = Timing(beat=2.0)
    for one in said:
        if one == "beat":
            assert trainer.beat(timing) is None
        elif one == "answer":
            trainer.goes_on()
        else:
            trainer.waits(one)
    found = [trainer.beat(timing) for _ in range(9)]
    first = None if beats is None else beats - 1
    assert found == [None if first is None or at < first else STUCK for at in range(9)]


def test_a_trainer_that_waits_too_long_ends_all(tmp_path: Path) -> None:
    """It holds the interpreter meanwhile, as TensorFlow does, and cannot tell by itself."""
    program = """
import ctypes
member.ready()
if member.index == 1:
    member.waiting_for("a file", 0.8, "look at it")
    ctypes.PyDLL(None).sleep(600)
member.waiting_for("the others", 0.2)
member.gather("never", None)
"""
    with cluster(tmp_path / "run", 3, program) as workers:
        everyone = workers.start_all()
        told = f"nothing has ended for 0.8 seconds at {workers.names(1)}, which waits for a file"
        for worker in everyone:
            code, said = worker.ended()
            assert (code, f"error: {told} | look at it" in said) == (75, True), said


@pytest.mark.parametrize(
    ("variables", "unproxied", "path"),
    [
        ({"no_proxy": "intra.net"}, "intra.net,127.0.0.1", "None"),
        ({"no_proxy": "a", "no_grpc_proxy": "b"}, "b,127.0.0.1", "None"),
        ({"PYTHONPATH": str(Path.cwd())}, "127.0.0.1", str(Path.cwd())),
    ],
)
def test_variables_of_a_trainer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    unproxied: str,
    path: str,
) -> None:
    """No proxy between workers, and to what a trainer starts its own place of modules is none."""
    for name in ("no_proxy", "no_grpc_proxy", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    program = """
import subprocess
code = "import os; print('child', os.environ['no_grpc_proxy'], os.environ.get('PYTHONPATH'))"
say(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""
    with cluster(tmp_path / "run", 2, program) as workers:
        for index in range(2):
            workers.start(index, variables=variables)
        for worker in workers.all:
            assert worker.until("child ") == f"{unproxied} {path}"
            assert worker.ended()[0] == 0
