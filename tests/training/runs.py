"""What the tests of faults share: a command in a process of its own, and a copy of a small run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import settings

_LONG = 240.0  # until a test gives up waiting; nothing is promised about it


def options(data: Path, run: Path, *more: object, steps: int = 12) -> list[str]:
    """The command line of a small run, without `electra`."""
    fixed = ["pretrain", "--preset", "tiny", "--data", data, "--model-dir", run, "--steps", steps]
    return [str(part) for part in [*fixed, "--device", "cpu", "--json", *settings(), *more]]


def start(arguments: list[str], **kwargs: object) -> subprocess.Popen[str]:
    """Starts a command in its own process; both streams are pipes unless chosen otherwise."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | kwargs
    return subprocess.Popen([sys.executable, "-m", "electra_cli", *arguments], **streams)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits until something is observed; fails if the process ends first."""
    end = time.monotonic() + _LONG
    while not condition():
        if process.poll() is not None:
            out, err = process.communicate()
            raise AssertionError(f"ended with {process.returncode} too early: {out} {err}")
        assert time.monotonic() < end, "nothing was observed"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process that ends by itself."""
    out, err = process.communicate(timeout=_LONG)
    return process.returncode, out, err


def error_of(stdout: str) -> dict[str, object]:
    """The error object that --json printed."""
    return json.loads(stdout)["error"]


def steps_of(run: Path) -> list[int]:
    """Steps of the checkpoints that are there."""
    return sorted(
        int(path.name.removeprefix("ckpt-"))
        for path in (run / "checkpoints").glob("ckpt-*")
        if path.name.removeprefix("ckpt-").isdigit()
    )


def metric_lines(run: Path, kind: str) -> dict[int, dict[str, object]]:
    """The lines of metrics.jsonl by step; a step that stands there twice must say the same."""
    found: dict[int, dict[str, object]] = {}
    path = run / "metrics.jsonl"
    for text in path.read_text().splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue  # a killed writer's last
        if line["kind"] != kind:
            continue
        kept = {k: v for k, v in line.items() if k not in SPEED}
        assert found.setdefault(line["step"], kept) == kept
    return found


# What depends on the machine and on the process.
SPEED = (
    "time",
    "sequences_per_second",
    "tokens_per_second",
    "peak_share",
    "skipped_steps",
    "skipped_in_a_row",
    "overflow_steps",
)


def copied(run: Path, to: Path, *, newest: int | None = None) -> Path:
    """A copy of a run as it was when `newest` was its newest checkpoint."""
    shutil.copytree(run, to)
    if newest is not None:
        (to / "result.json").unlink(missing_ok=True)
        for step in steps_of(to):
            if step > newest:
                shutil.rmtree(to / "checkpoints" / f"ckpt-{step}")
    return to


def environment(**values: str) -> dict[str, str]:
    """This process's environment and more."""
    return os.environ | values


@contextmanager
def before_tensorflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails if TensorFlow's environment is prepared, or five seconds pass."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "electra_cli.environment.prepare_tensorflow",
            lambda: pytest.fail("TensorFlow was about to start"),
        )
        started = time.monotonic()
        yield
        assert time.monotonic() - started < 5


def send_on_call(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, number: int
) -> None:
    """Sends a signal to this process in the given call of a function, counted from 1."""
    call = partial(os.kill, os.getpid(), number)
    _call_on_call(monkeypatch, owner, name, at, call)


class Dying:
    """Sends SIGTERM to this process while it is destroyed, where Python drops exceptions."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # until the handler is called
            pass


def swallow_on_call(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """As `send_on_call`, in a destructor; returns the list of exceptions dropped since."""
    swallowed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: swallowed.append(error.exc_type))
    _call_on_call(monkeypatch, owner, name, 1, Dying)
    return swallowed


def _call_on_call(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, call: Callable[[], object]
) -> None:
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            call()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapper)
