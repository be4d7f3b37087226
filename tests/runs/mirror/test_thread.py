"""The thread that mirrors a run: what it says, and what is waited for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import TryAgainError
from electra_cli.files.remote.store import Store
from electra_cli.runs.mirror.index import read_index
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.mirror.sending import DisplacedError, Sender
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.checkpoints.keeping import Keep
from tests.runs.mirror.test_mirror import STORE, mirrored, run, url
from tests.s3 import S3, status
from tests.training.runs import steps_of

__all__ = ["run"]  # a fixture


class _Listening:
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def mirror(self, s3: S3, run: RunFolder, sender: Sender | None = None) -> Mirror:
        if sender is None:
            sender = Sender(url(s3), run, newest=10)
            sender.claim()
        return Mirror(url(s3), run.path, sender, warn=self.warnings.append, note=self.notes.append)


def never() -> float | None:
    return None


def test_a_thread_of_its_own(s3: S3, run: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    """Failures in a row are one warning; at the end 75, and afterwards all of it is there."""
    hears = _Listening()
    mirror = hears.mirror(s3, run)
    s3.proxy.fail("PUT", "config.yaml", status(500), 1000)
    mirror.start()
    for _ in range(3):
        mirror.notify()
    lack = mirror.finish(100, never)
    assert lack is not None
    assert lack.exit_code == 75
    assert "the same command again" in lack.hint
    assert len(hears.warnings) == 1
    assert "training goes on" in hears.warnings[0]
    assert "tried again" not in caplog.text
    s3.proxy.acts.clear()
    again = hears.mirror(s3, run)
    again.start()
    assert again.finish(100, never) is None
    assert len(hears.warnings) == 1
    index = read_index(STORE, url(s3))
    assert index is not None
    assert index.newest == 12
    # One that was taken for lost is told so, once, and may not come again on its own.
    late = hears.mirror(s3, run)
    mirrored(s3, run)
    late.start()
    lack = late.finish(100, never)
    assert isinstance(lack, DisplacedError)
    assert lack.exit_code == 73
    assert len(hears.warnings) == 2


class _Stuck(Sender):
    """Reaches nobody until it is let go."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.stuck, self.go_on = threading.Event(), threading.Event()

    def copy(self, *given: Any) -> None:
        self.stuck.set()
        self.go_on.wait()
        super().copy(*given)


@pytest.mark.parametrize(
    ("limit", "hurried"), [(0.0, never), (1e9, lambda: 0.0)], ids=["the end", "a signal"]
)
def test_waiting_has_an_end(
    s3: S3, run: RunFolder, limit: float, hurried: Callable[[], float | None]
) -> None:
    hears = _Listening()
    sender = _Stuck(url(s3), run, newest=10)
    sender.claim()
    mirror = hears.mirror(s3, run, sender)
    mirror.start()
    sender.stuck.wait()
    lack = mirror.finish(limit, hurried)
    assert isinstance(lack, TryAgainError)
    assert "was not finished within 0 s" in lack.message
    sender.go_on.set()
    assert mirror.finish(1e9, never) is None


class _Odd(Sender):
    """Fails once, in a way that nobody has thought of."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.is_done = threading.Event()

    def copy(self, *given: Any) -> None:
        if not self.is_done.is_set():
            self.is_done.set()
            raise ZeroDivisionError("by nobody")
        super().copy(*given)
        self.is_done.set()


def test_whatever_fails_the_thread_lives(s3: S3, run: RunFolder) -> None:
    """And says so once all is well; what was written up to the end is there."""
    hears = _Listening()
    sender = _Odd(url(s3), run, newest=10)
    sender.claim()
    mirror = hears.mirror(s3, run, sender)
    mirror.start()
    sender.is_done.wait()
    mirror.notify()
    while not hears.notes:
        threading.Event().wait(0.01)
    assert "ZeroDivisionError: by nobody; training goes on" in hears.warnings[0]
    assert hears.notes == [f"{url(s3)} is up to date again"]
    (run.path / "late.txt").write_text("at the end")
    assert mirror.finish(100, never) is None
    assert STORE.read(f"{url(s3)}/late.txt") == b"at the end"


def test_what_is_being_read_stays(s3: S3, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    hears = _Listening()
    sender = Sender(url(s3), run, newest=1)
    sender.claim()
    mirror = hears.mirror(s3, run, sender)
    upload = Store.upload
    left: list[list[int]] = []

    def swept(self: Store, path: Path, to: str) -> None:
        if "ckpt-8/commit" in to:
            Keep(1).sweep(run, mirror.holds)
            left.append(steps_of(run.path))
        upload(self, path, to)

    monkeypatch.setattr(Store, "upload", swept)
    mirror.start()
    assert mirror.finish(100, never) is None
    assert left == [[8, 12]]
    index = read_index(STORE, url(s3))
    assert index is not None
    assert set(index.checkpoints) == {8, 12}
    Keep(1).sweep(run, mirror.holds)
    assert steps_of(run.path) == [12]
