"""A mirror while several workers train: threads stand for them, and nothing trains."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from electra_cli.errors import ConfigError, DataError, ElectraError, TrainingError
from electra_cli.files.remote.store import Store
from electra_cli.runs.mirror.index import read_index
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.loop import mirroring as module
from electra_cli.training.loop.mirroring import mirroring
from electra_cli.training.loop.signals import RunStoppedError, StopSignals
from electra_cli.training.plan.plans import RunPlan
from tests.cluster.together import Together, at_each
from tests.s3 import S3, Answer, status
from tests.training.runs import copied


@pytest.fixture
def plan(trained: Path, tmp_path: Path) -> RunPlan:
    """As much of the plan of a run as a mirror asks for."""
    train = SimpleNamespace(keep_checkpoints=3, keep_every=None, best_metric=None)
    run = RunFolder(copied(trained, tmp_path / "run"))
    return cast(RunPlan, SimpleNamespace(config=SimpleNamespace(train=train), run=run))


class Workers:
    """What happens at each of two workers with a mirror."""

    def __init__(self, s3: S3, plan: RunPlan) -> None:
        self.url, self._plan = f"{s3.bucket}/run", plan
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.left: list[int | None] = []  # what was whole in the mirror when each went

    def end(
        self, act: Callable[[Together], object] = lambda worker: None, **urls: str | None
    ) -> list[Any]:
        def one(worker: Together) -> object:
            url = urls.get(f"url_{worker.index}", self.url)
            told: dict[str, Any] = {"warn": self.warnings.append, "note": self.notes.append}
            signals = StopSignals()
            try:
                with mirroring(url, self._plan, cast(Any, worker), signals, **told) as mirror:
                    assert (mirror is not None) == (worker.index == 0)
                    act(worker)
            finally:
                self.left.append(self.newest)
            return "ended"

        return at_each(2, one)

    def wait(self) -> None:
        """Until all is there: what still runs belongs to a test."""
        while self.newest != 12:
            time.sleep(0.01)

    @property
    def newest(self) -> int | None:
        index = read_index(Store("s3"), self.url)
        return index.newest if index else None


def fail(error: Exception) -> Callable[[Together], object]:
    def act(worker: Together) -> object:
        raise error

    return act


@pytest.fixture
def workers(s3: S3, plan: RunPlan) -> Workers:
    return Workers(s3, plan)


@pytest.fixture
def stuck(s3: S3) -> threading.Event:
    """Nothing of the newest checkpoint gets through before it is set."""
    event = threading.Event()

    def wait(answer: Answer) -> Answer:
        event.wait(60)
        return answer

    s3.proxy.fail("PUT", "ckpt-12/", wait, 1000)
    return event


def test_all_end_alike(s3: S3, workers: Workers) -> None:
    """What is missing at the end is the error of all; so the same command at all sends it."""
    s3.proxy.fail("PUT", "result.json", status(403, "AccessDenied"), 100)
    first, second = workers.end()
    assert first.exit_code == second.exit_code == 75
    assert "result.json was refused" in first.message
    assert second.message == f"worker 0 (a:1): {first.message}"
    assert second.hint == first.hint
    s3.proxy.acts.clear()
    assert workers.end() == ["ended", "ended"]


def test_different_mirrors(workers: Workers) -> None:
    for url, shown in (("s3://other/run", "and s3://other/run"), (None, "and None")):
        for error in workers.end(url_1=url):
            assert isinstance(error, ConfigError)
            assert "--mirror is" in error.message
            assert shown in error.message
    assert workers.newest is None


def test_a_claim_that_fails(s3: S3, workers: Workers) -> None:
    s3.put("run/mine.txt", b"mine")
    for error in workers.end():
        assert error.exit_code == 73
        assert "holds something that is no mirror" in error.message


@pytest.mark.parametrize(
    "error",
    [TrainingError("it has diverged"), RunStoppedError(signal.SIGTERM, 12, "ckpt-12")],
    ids=["diverged", "stopped"],
)
def test_an_error_of_all_waits_at_all(
    workers: Workers, stuck: threading.Event, error: ElectraError
) -> None:
    """Else the first that ended would end the chief, and with it what it copies."""
    threading.Timer(0.5, stuck.set).start()
    assert workers.end(fail(error)) == [error, error]
    assert workers.left == [12, 12]


def test_an_error_of_one_waits_for_nobody(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others may never come to where they could be waited for."""
    gather, topics = Together.gather, []

    def noted(self: Together, topic: str, value: Any) -> list[Any]:
        topics.append(topic)
        return gather(self, topic, value)

    monkeypatch.setattr(Together, "gather", noted)
    error = DataError("a shard has vanished here")
    assert workers.end(fail(error)) == [error, error]
    assert set(topics) == {"facts", "mirror"}
    assert workers.newest == 12


def test_what_is_missing_is_told_with_the_error(
    workers: Workers, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(worker: Together) -> object:
        raise TrainingError("it has diverged", hint="wait")

    monkeypatch.setattr(module, "HASTE", 0.2)
    first, second = workers.end(diverge)
    stuck.set()
    assert (first.message, second.hint) == ("it has diverged", "wait")
    assert first.hint.startswith("wait; ")
    assert "the same command again copies what is missing" in first.hint
    assert "was not finished within 0 s" in workers.warnings[-1]
    workers.wait()


def test_what_stays_there(s3: S3, plan: RunPlan, workers: Workers) -> None:
    """What `train.keep_checkpoints` and its kin say, as here."""
    train, run = cast(Any, plan.config.train), plan.run
    train.keep_checkpoints, train.keep_every, train.best_metric = 1, 12, "masked_lm_loss"
    for step, loss in ((4, 1.0), (8, 2.0)):
        record = {"format_version": 1, "step": step, "metrics": {"masked_lm_loss": loss}}
        (run.checkpoints / f"ckpt-{step}" / "evaluation.json").write_text(json.dumps(record))
    assert workers.end() == ["ended", "ended"]
    assert not [text for text in workers.notes if "was written by" in text]
    for step in (0, 8):
        shutil.rmtree(run.checkpoints / f"ckpt-{step}")
    Store("s3").delete(f"{workers.url}/checkpoints/ckpt-4/state.index")
    assert workers.end() == ["ended", "ended"]
    assert [text for text in workers.notes if "was written by host" in text]
    assert workers.warnings == [
        f"not whole in {workers.url}: step 4; what is here of it is sent again"
    ]
    index = read_index(Store("s3"), workers.url)
    assert index is not None
    assert (set(index.checkpoints), index.best) == ({0, 4, 12}, 4)


def test_a_signal_while_all_wait(
    workers: Workers, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is heard though it came to another worker, and the wait is cut."""
    monkeypatch.setattr(module, "HASTE", 0.2)
    found = workers.end(lambda worker: worker.told_to_stop(signal.SIGTERM, 1))
    stuck.set()
    for error in found:
        assert error.exit_code == 75
        assert "was not finished within 0 s" in error.message
    workers.wait()
