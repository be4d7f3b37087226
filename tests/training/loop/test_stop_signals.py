"""Signals without a run: who gets them, when they are obeyed, and twice at once."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

import pytest

from electra_cli.errors import Terminated
from electra_cli.training.loop.signals import StopRequestedError, StopSignals
from tests.training.runs import Dying

# The main thread is where no signal brings it back to Python, as in a long loop of TensorFlow.
COMPUTING = """
import ctypes, os, sys
from electra_cli.training.loop.signals import StopSignals
if "full" in sys.argv:
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, bytes(4096))
    except BlockingIOError:
        os.set_blocking(2, True)
with StopSignals(lambda text: print(text, file=sys.stderr, flush=True)) as signals:
    signals.defer()
    mutex = ctypes.create_string_buffer(256)
    print("computing", flush=True)
    library = ctypes.CDLL(None)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize("stderr", ["read", "full"])
def test_ctrl_c_twice_leaves_at_once(stderr: str) -> None:
    """The second comes while the first is being obeyed, also if nobody reads what that says."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMPUTING, stderr],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "computing\n"
    process.send_signal(signal.SIGINT)
    if stderr == "read":
        text = "SIGINT: saving and stopping; once more leaves at once\n"
        assert process.stderr.readline() == text
        process.send_signal(signal.SIGINT)
    while process.poll() is None:  # two that come together are one
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    _, err = process.communicate()
    assert "Traceback" not in err


def test_one_that_a_destructor_swallows_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """While starting it should end the command at once, but Python goes on after a destructor."""
    swallowed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: swallowed.append(error.exc_type))
    with StopSignals() as signals:
        Dying()
        assert swallowed == [Terminated]
        with pytest.raises(Terminated):  # of a command that has nothing to save
            signals.check()
        signals.defer()
        with pytest.raises(StopRequestedError):
            signals.check()
    assert signals.received == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_library_that_takes_the_signals(number: int) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        ctypes.CDLL(None).signal(number, ctypes.c_void_p(1))  # SIG_IGN, behind Python's back
        os.kill(os.getpid(), number)
        assert signals.received is None
        signals.listen_again()
        with pytest.raises(Terminated, match=signal.Signals(number).name):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_handlers_are_given_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopSignals() as signals:
            signals.defer()
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
            signals.check()
            assert signal.getsignal(signal.SIGTERM) != before
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGHUP, hangup)
