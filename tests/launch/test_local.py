"""Workers on this machine: output, signals, exit codes, and that none stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import ConfigError, ElectraError, Terminated, TrainingError, TryAgainError
from electra_cli.launch import local
from electra_cli.launch.plan import Launch

WORKER = Path(__file__).with_name("fake_worker.py")
PROGRAM = (sys.executable, "-S", str(WORKER))
Acts = list[tuple[str, Any]]


def launch(*acts: Acts, **options: Any) -> Launch:
    return Launch(("pretrain", json.dumps(acts)), len(acts), **options)


def run(*acts: Acts, on_line: Any = lambda index, text: None) -> int:
    return local.run_workers(launch(*acts), on_line=on_line, program=PROGRAM)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([0, 0], 0),
        ([75, 75], 75),
        ([143, 143], 143),
        ([75, 70], 70),
        ([70, 75, 75], 70),
        ([75, 2, 65], 2),
        ([0, 1], 1),
        ([143, 75], 143),
        ([143, 74], 74),
        ([-signal.SIGKILL, 75], 75),
        ([75, -signal.SIGSEGV], 70),
        ([-signal.SIGTERM, 143], 143),
        ([-signal.SIGINT, 75], 130),
        ([0, 75], 75),
    ],
)
def test_what_different_ends_amount_to(codes: list[int], code: int) -> None:
    assert local.common_code(codes) == code


def test_output(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Worker 0 has all of it; lines of the others are told once, whoever else says the same."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    heard: list[tuple[int, str]] = []
    talks: Acts = [("tell", "dropped"), ("say", "worker 1: error: ü"), ("say", "warning: w")]
    code = run(
        [("say", "notes"), ("meet", str(fifo)), ("tell", '{"a": 1}'), ("exit", 0)],
        [*talks, ("say", ""), ("say", "warning: w"), ("meet", str(fifo))],
        on_line=lambda index, text: heard.append((index, text)),
    )
    assert code == 0
    assert capfd.readouterr() == ('{"a": 1}\n', "notes\n")
    assert heard == [(1, "error: ü"), (1, "warning: w"), (1, "warning: w")]
    heard.clear()
    run(*[[("say", "same"), ("exit", 0)]] * 3, on_line=lambda *line: heard.append(line))
    assert [text for _, text in heard] == ["same"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)
def test_a_signal_is_handed_on_once_to_all(tmp_path: Path, number: int, code: int) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    before = signal.getsignal(number)
    told = run(
        [("meet", str(fifo)), ("wait", None)],
        [("meet", str(fifo)), ("say", "ready"), ("wait", None)],
        on_line=lambda index, text: os.kill(os.getpid(), number),
    )
    assert told == code
    assert signal.getsignal(number) == before


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = run(
            [("meet", str(fifo)), ("exit", 0)],
            [("say", "ready"), ("meet", str(fifo)), ("exit", 0)],
            on_line=lambda index, text: os.kill(os.getpid(), signal.SIGHUP),
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 0


def test_ctrl_c_twice_leaves_at_once(tmp_path: Path) -> None:
    """Workers that do not end by themselves are killed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    begin: Acts = [("hold", str(fifo)), ("say", "ready"), ("hear", None)]
    end: Acts = [("say", "once more"), ("kill", signal.SIGSTOP)]
    with pytest.raises(KeyboardInterrupt):
        run(begin + end, begin + end, on_line=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # once all who held it have ended
    os.close(reader)


def test_others_do_not_wait_for_a_frozen_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "_PATIENCE", 0.0)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    frozen: Acts = [("meet", str(fifo)), ("kill", signal.SIGSTOP)]
    assert run([("meet", str(fifo)), ("exit", 75)], frozen) == 75


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, TryAgainError),
        (signal.SIGABRT, TrainingError),
        (signal.SIGUSR1, TrainingError),
    ],
)
def test_a_chief_that_was_killed_is_told(number: int, error: type[ElectraError]) -> None:
    """It has said nothing itself."""
    with pytest.raises(error, match=signal.Signals(number).name):
        run([("kill", number)], [("exit", 75)])


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_chief_that_a_signal_met_early(number: int, error: type[BaseException]) -> None:
    assert isinstance(local._killed(number), error)


HOLDER = """
import sys
from electra_cli.launch.local import run_workers
from electra_cli.launch.plan import Launch
run_workers(Launch(("pretrain", sys.argv[1]), 2), on_line=print, program=sys.argv[2:])
"""


def test_workers_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    acts = [[("hold", str(fifo)), ("tell", "ready"), ("wait", None)]] * 2
    launcher = subprocess.Popen(
        [sys.executable, "-c", HOLDER, json.dumps(acts), *PROGRAM], stdout=subprocess.PIPE
    )
    try:
        with fifo.open() as reader:  # opens once a worker has it too
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == b"ready\n"
            launcher.kill()
            assert reader.read() == ""
            assert launcher.stdout.read() == b""
    finally:
        launcher.kill()
        launcher.communicate()


def test_each_worker_has_gpus_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    def shown(environment: dict[str, str], each: int, nodes: int = 3) -> list[str | None]:
        plan = Launch(("pretrain",), nodes, gpus_per_node=each)
        return [one.get("CUDA_VISIBLE_DEVICES") for one in local._places(plan, environment)]

    assert shown({}, 0) == [None, None, None]
    assert shown({}, 2) == ["0,1", "2,3", "4,5"]
    assert shown({"CUDA_VISIBLE_DEVICES": "7, 5,GPU-a"}, 1) == ["7", "5", "GPU-a"]
    with pytest.raises(ConfigError, match="need 4 GPUs, and CUDA_VISIBLE_DEVICES is 0,1,2"):
        shown({"CUDA_VISIBLE_DEVICES": "0,1,2"}, 2, nodes=2)
    acts: list[Acts] = [[("show", "CUDA_VISIBLE_DEVICES")], []]
    local.run_workers(
        launch(*acts, gpus_per_node=1), on_line=print, environment={}, program=PROGRAM
    )
    assert capfd.readouterr().out == "0\n"


def test_no_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(local, "_is_free", lambda port: bool(taken.append(port)))
    with pytest.raises(TryAgainError, match="no 19 ports"):
        run([], [])
    assert all(20_000 <= port <= 31_999 for port in taken)


def test_a_port_that_is_taken_is_not_free() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not local._is_free(server.getsockname()[1])


def test_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="--to local has no option 'time'"):
        local.run_workers(launch([], options={"time": "1"}), on_line=print, program=PROGRAM)
