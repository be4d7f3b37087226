"""Copies that take longer than a run from one checkpoint to the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from electra_cli.files.remote.store import Store
from electra_cli.runs.mirror.index import read_index
from electra_cli.runs.mirror.mirror import Mirror
from electra_cli.runs.mirror.sending import Sender
from electra_cli.runs.run_folder import RunFolder
from tests.runs.mirror.test_mirror import STORE, puts, run, url
from tests.runs.mirror.test_thread import never
from tests.s3 import S3

__all__ = ["run"]  # a fixture


@pytest.fixture
def behind(run: RunFolder) -> RunFolder:
    """A run that has come to its step 4."""
    for step in (8, 12):
        (run.checkpoints / f"ckpt-{step}").rename(run.path / f".ckpt-{step}")
    return run


@pytest.fixture
def goes_on(
    behind: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], object]], None]:
    """While the commit file of step 4 is sent the run comes to step 8, and to 12 in the next."""
    upload = Store.upload

    def begin(before: Callable[[], object]) -> None:
        def slow(self: Store, path: Path, to: str) -> None:
            for commit, step in (("ckpt-4/commit", 8), ("ckpt-8/commit", 12)):
                saved = behind.path / f".ckpt-{step}"
                if commit in to and saved.is_dir():
                    before()
                    with behind.metrics.open("a") as file:
                        file.write("{}\n")
                    saved.rename(behind.checkpoints / saved.name[1:])
            upload(self, path, to)

        monkeypatch.setattr(Store, "upload", slow)

    return begin


def opened(s3: S3, run: RunFolder) -> tuple[Sender, Mirror, list[str]]:
    sender = Sender(url(s3), run, newest=10)
    sender.claim()
    said: list[str] = []
    return sender, Mirror(url(s3), run.path, sender, warn=said.append, note=print), said


def test_the_newest_first_and_each_with_what_was_written_before_it(
    s3: S3, behind: RunFolder, goes_on: Callable[[Callable[[], object]], None]
) -> None:
    goes_on(lambda: None)
    sender, _, _ = opened(s3, behind)
    said: list[str] = []
    sender.copy(said.append)
    sent = puts(s3)
    commits = [name.split("/")[1] for name in sent if name.endswith("commit.json")]
    assert commits == ["ckpt-4", "ckpt-8", "ckpt-12", "ckpt-0"]
    places = [place for place, name in enumerate(sent) if name == "metrics.jsonl"]
    assert len(places) == 3
    for place, step in zip(places, (4, 8, 12), strict=True):
        assert place < sent.index(f"checkpoints/ckpt-{step}/commit.json")
        assert step == 12 or sent.index(f"checkpoints/ckpt-{step}/commit.json") < places[step // 4]
    # Told of each but the last, which nothing came after, and of none that was left for later.
    assert [text.partition(" to ")[0] for text in said] == ["copying step 4", "copying step 8"]
    assert "step 12 was saved" in said[1]


def test_it_is_a_warning_once(
    s3: S3, behind: RunFolder, goes_on: Callable[[Callable[[], object]], None]
) -> None:
    goes_on(lambda: None)
    _, mirror, said = opened(s3, behind)
    mirror.start()
    while (index := read_index(STORE, url(s3))) is None or len(index.checkpoints) < 4:
        time.sleep(0.01)
    assert mirror.finish(100, never) is None
    (warning,) = said
    assert "copying step 4" in warning
    assert "one interval of train.checkpoint_every and the time of two copies" in warning


def test_none_of_the_last_checkpoint(
    s3: S3, behind: RunFolder, goes_on: Callable[[Callable[[], object]], None]
) -> None:
    """It comes whenever the run ends, and is waited for."""
    ends = threading.Event()
    goes_on(ends.wait)
    _, mirror, said = opened(s3, behind)
    mirror.start()
    assert mirror.finish(100, lambda: ends.set()) is None
    assert said == []
