"""Programs that hang, die or are not there."""

from __future__ import annotations

import sys

import pytest

from electra_cli.doctor.bounded import ask
from electra_cli.doctor.check import Check, guarded


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("print('a')", ""),
        ("print('a'); raise SystemExit(9)", "ended with 9: a"),
        ("import sys; print('a'); sys.exit('no card')", "ended with 1: no card"),
        (
            "import os, signal; print('a', flush=True); os.kill(os.getpid(), signal.SIGILL)",
            "was ended by SIGILL",
        ),
    ],
)
def test_what_a_program_says_and_how_it_ends(code: str, failure: str) -> None:
    answer = ask([sys.executable, "-S", "-c", code], seconds=60)
    assert (answer.stdout, answer.failure) == ("a\n", failure)


def test_one_that_hangs_is_ended() -> None:
    answer = ask([sys.executable, "-S", "-c", "import signal; signal.pause()"], seconds=0.1)
    assert answer.failure == "did not end within 0.1 seconds"


def test_one_that_is_not_there() -> None:
    assert "No such file" in ask(["no-such-program"], seconds=1).failure


def test_a_probe_that_fails_is_a_line_after_those_that_it_made() -> None:
    fine = Check("t", "n", "ok", "f")

    def probe():
        yield fine
        raise ZeroDivisionError("a\nb")

    kept, failed = guarded("t", probe)
    assert kept == fine
    assert (failed.state, failed.topic) == ("note", "t")
    assert "ZeroDivisionError: a" in failed.found
