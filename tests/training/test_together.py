"""The parts of a run that several workers do together, as threads."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.config.load import read_config
from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.errors import ConfigError, IOFailedError, TrainingError, TryAgainError
from electra_cli.health import FINDINGS
from electra_cli.health.facts import Facts
from electra_cli.health.monitor import Monitor
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.health import Health
from electra_cli.training.loop.peers import failures_named, leaving_together
from electra_cli.training.loop.signals import RunStoppedError, StopRequestedError, StopSignals
from electra_cli.training.plan.readiness import agreed_checkpoint
from tests.cluster.together import Together, at_each
from tests.training.loop.test_checkpoints import IDENTITY


def test_the_chief_saves_and_all_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = tf.Variable(1.0)
    (tmp_path / "checkpoints").mkdir()

    def save(worker: Together) -> object:
        # Others may see the folder later, or in another place: they do not look.
        folder = tmp_path if worker.is_chief else tmp_path / "elsewhere"
        saver = CheckpointSaver(
            tf.train.Checkpoint(w=weight), RunFolder(folder), IDENTITY, Keep(9, best_by="disc_auc"),
            needed_bytes=12, worker=worker,
        )  # fmt: skip
        saver.record_evaluation(4, {"disc_auc": 0.5})
        assert (tmp_path / "checkpoints" / "ckpt-4" / "evaluation.json").is_file()
        return saver.save(4)

    places = [tmp_path / part / "checkpoints" / "ckpt-4" for part in ("", "elsewhere")]
    assert at_each(2, save) == places
    assert not places[1].exists()
    shutil.rmtree(places[0])

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CheckpointSaver, "commit", full)
    failed = at_each(2, save)
    assert [type(error) for error in failed] == [IOFailedError] * 2, failed
    assert "worker 0 (a:1): cannot save checkpoint" in str(failed[1])


def test_all_stop_in_the_same_call() -> None:
    def run(worker: Together) -> object:
        signals = StopSignals()
        signals.follow(worker)
        signals.check()
        signals.defer()
        if worker.index == 1:
            worker.told_to_stop(signal.SIGTERM, 1)
        with pytest.raises(StopRequestedError):
            signals.check()
        return worker.is_ready, signals.received, signals.origin

    assert at_each(3, run) == [(True, signal.SIGTERM, "worker 1 (b:1)")] * 3


def test_loops_are_as_long_as_the_chief_says() -> None:
    def seconds(worker: Together) -> float:
        times = iter([0.0, 2.0 + worker.index])
        clock = Clock(lambda: next(times), lambda mine: worker.of_chief("seconds", mine))
        clock.start(0)
        clock.stop(1)
        return clock.seconds_per_step

    assert at_each(3, seconds) == [2.0] * 3


def test_what_the_chief_finds_wrong_ends_all(trained: Path) -> None:
    config = read_config(trained / "config.yaml")
    ill = config.replaced({"optimizer.warmup_steps": 11})
    manifest = read_manifest(trained / "data")
    assert "warmup-too-long" in FINDINGS

    def check(worker: Together) -> object:
        # Others may see metrics.jsonl late.
        monitor = Monitor(Facts.of(ill if worker.is_chief else config, manifest))
        monitor.see({"kind": "start", "step": 0})
        health = Health(monitor, ["warmup-too-long"], worker=worker)
        return health.check(3, lambda: Path("ckpt-3"))

    first, second = at_each(2, check)
    assert isinstance(first, TrainingError)
    assert isinstance(second, TrainingError)
    assert str(first) == str(second)
    assert "on warmup-too-long" in str(first)
    assert "ckpt-3" in str(first)
    healthy = Health(Monitor(Facts.of(config, manifest)), ["warmup-too-long"])
    healthy.check(3, lambda: pytest.fail("it is well"))


@pytest.mark.parametrize("seen", ["the same", "nothing", "another"])
def test_workers_go_on_from_what_all_can_see(trained: Path, tmp_path: Path, seen: str) -> None:
    other = tmp_path / "other"
    if seen != "nothing":
        shutil.copytree(trained, other)
    if seen == "another":
        shutil.rmtree(other / "checkpoints" / "ckpt-12")
        shutil.copytree(trained / "checkpoints" / "ckpt-8", other / "checkpoints" / "ckpt-12")

    def go_on(worker: Together) -> object:
        run = RunFolder(trained if worker.is_chief else other)
        return agreed_checkpoint(run, lambda: run.all_checkpoints()[-1], worker)

    found = at_each(2, go_on)
    if seen == "the same":
        assert [(one.step, one.run.path) for one in found] == [(12, trained), (12, other)]
        return
    for error in found:
        assert isinstance(error, ConfigError)
        assert "worker 1 (b:1)" in error.message
        assert "mount the same folder as" in error.hint


@pytest.mark.parametrize(
    "lost",
    [
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    ],
)
def test_what_the_loss_of_a_worker_looks_like(lost: type[tf.errors.OpError]) -> None:
    def lose(worker: Together) -> None:
        with failures_named(worker, lambda: "at step 7"):
            raise lost(None, None, "Connection reset by peer\nand more")

    error = at_each(1, lose)[0]
    assert isinstance(error, TryAgainError)
    assert error.message == "another worker was lost at step 7: Connection reset by peer"


def test_who_fails_alone_leaves_alone() -> None:
    """Where all end it is together, the chief last; an error of one is for its supervisor."""

    def leave(worker: Together, error: Exception | None) -> None:
        with leaving_together(worker):
            if error is not None:
                raise error

    for error in (None, TrainingError("diverged"), RunStoppedError(15, 3, "ckpt-3")):
        found = at_each(2, lambda worker, error=error: leave(worker, error))
        assert found == [error, error]
    alone = IOFailedError("lost a shard")
    assert at_each(1, lambda worker: leave(replace_gather(worker), alone)) == [alone]


def replace_gather(worker: Together) -> Together:
    worker.gather = lambda topic, value: pytest.fail("nobody else is there")  # type: ignore[method-assign]
    return worker
