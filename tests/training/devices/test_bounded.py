"""Programs that hang, die or are not there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from electra_cli.training.devices import bounded
from electra_cli.training.devices.bounded import ask
from electra_cli.training.devices.check import Check, guarded


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


def test_one_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_MOST", 1000)
    answer = ask(["sh", "-c", "yes"], seconds=600)
    assert answer.stdout == "y\n" * 500
    assert answer.failure.startswith("printed more than ")


def test_of_what_goes_to_stderr_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_LAST_WORDS", 20)
    answer = ask(["sh", "-c", "seq 100000 >&2; echo no card >&2; exit 3"], seconds=600)
    assert answer.failure == "ended with 3: no card"
    assert "did not end" in ask(["sh", "-c", "yes >&2"], seconds=0.1).failure


def test_what_it_has_started_is_ended_with_it(tmp_path: Path) -> None:
    """A fifo is at its end once nobody is left who could write to it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe:
        answer = ask(["sh", "-c", f"sleep 600 8>'{fifo}' & wait"], seconds=0.1)
        os.set_blocking(pipe.fileno(), True)
        assert pipe.read() == b""
    assert "did not end" in answer.failure


def test_it_is_told_that_one_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    ask(["true"], seconds=600, slow=lambda: told.append("true"))
    monkeypatch.setattr(bounded, "_SOON", 0.0)
    ask(["sleep", "600"], seconds=0.1, slow=lambda: told.append("sleep"))
    assert told == ["sleep"]


def test_one_that_is_not_there(tmp_path: Path) -> None:
    answer = ask(["no-such-program"], seconds=1)
    assert ("No such file" in answer.failure, answer.is_there) == (True, False)
    script = tmp_path / "script"
    script.write_text("#!/no/such/shell\n")
    assert "Permission denied" in ask([str(script)], seconds=1).failure
    script.chmod(0o755)
    answer = ask([str(script)], seconds=1)
    assert ("No such file" in answer.failure, answer.is_there) == (True, True)


def test_a_probe_that_fails_is_a_line_after_those_that_it_made() -> None:
    fine = Check("t", "n", "ok", "f")

    def probe():
        yield fine
        raise ZeroDivisionError("a\nb")

    kept, failed = guarded("t", probe)
    assert kept == fine
    assert (failed.state, failed.topic) == ("note", "t")
    assert "ZeroDivisionError: a" in failed.found
