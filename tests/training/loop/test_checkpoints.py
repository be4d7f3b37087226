"""Checkpoints that cannot lie: written, checked, kept, damaged, and all of them damaged."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from electra_cli.errors import DataError, InputMissingError, IOFailedError, TrainingError
from electra_cli.files.layout import COMMIT_FILE
from electra_cli.interop.restore import restore
from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.resume import resume_point
from electra_cli.runs.run_folder import RunFolder
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.checkpoints.keeping import Keep
from electra_cli.training.checkpoints.saver import CheckpointSaver
from electra_cli.training.checkpoints.state import read_state
from electra_cli.training.loop.actions import SaveAction
from tests.conftest import Electra, read_only
from tests.training.runs import options, steps_of

IDENTITY: dict[str, Any] = {"config_sha256": "c", "vocab_sha256": "v", "sizes": {"model.x": 1}}


@pytest.fixture
def weight() -> tf.Variable:
    return tf.Variable([1.0, 2.0, 3.0])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def saver_of(run: RunFolder, weight: tf.Variable, **keep: Any) -> CheckpointSaver:
    kept = Keep(**{"newest": 9} | keep)
    saver = CheckpointSaver(tf.train.Checkpoint(w=weight), run, IDENTITY, kept, needed_bytes=12)
    saver.prepare()
    return saver


def block(run: RunFolder) -> None:
    """Puts a file in the place of the folder of checkpoints: nothing can be made there."""
    run.checkpoints.rename(run.path / "away")
    run.checkpoints.write_text("in the way")


def unblock(run: RunFolder) -> None:
    run.checkpoints.unlink()
    (run.path / "away").rename(run.checkpoints)


def steps(run: RunFolder) -> list[int]:
    return [checkpoint.step for checkpoint in run.all_checkpoints()]


def test_a_checkpoint_says_what_it_holds(run: RunFolder, weight: tf.Variable) -> None:
    folder = saver_of(run, weight).save(7)
    commit = read_commit(folder)
    assert fault_of(folder, 7) is None
    assert commit.step == 7
    assert commit.state_sha256 == read_state(folder / "state").sha256
    names = {path.name for path in folder.iterdir()}
    assert names == {*commit.files, COMMIT_FILE}
    (found,) = run.all_checkpoints()
    filled = tf.Variable([0.0, 0.0, 0.0])
    restore(tf.train.Checkpoint(w=filled), found.prefix, hint="")
    assert filled.numpy().tolist() == [1.0, 2.0, 3.0]


def test_every_flipped_bit_is_found(run: RunFolder, weight: tf.Variable) -> None:
    folder = saver_of(run, weight).save(1)
    chosen = random.Random(0)
    files = sorted(folder.iterdir())
    for _ in range(200):
        path = chosen.choice(files)
        content = bytearray(path.read_bytes())
        place = chosen.randrange(len(content))
        before = content[place]
        content[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        assert fault_of(folder, 1), (path.name, place)
        content[place] = before
        path.write_bytes(content)
    assert fault_of(folder, 1) is None


@pytest.mark.parametrize("damage", ["truncated", "emptied", "index", "no commit", "garbage"])
def test_a_damaged_checkpoint_is_put_aside(
    run: RunFolder, weight: tf.Variable, damage: str
) -> None:
    saver = saver_of(run, weight)
    for step in (1, 2, 3):
        newest = saver.save(step)
    (data,) = newest.glob("*.data-*")
    if damage == "truncated":
        data.write_bytes(data.read_bytes()[:-1])
    elif damage == "emptied":
        for path in newest.iterdir():
            path.write_bytes(b"")
    elif damage == "index":
        (newest / "state.index").unlink()
    elif damage == "no commit":
        (newest / COMMIT_FILE).unlink()
    else:
        (newest / COMMIT_FILE).write_bytes(b"[" * 100_000)
    warnings: list[str] = []
    found = resume_point(run, warn=warnings.append)
    assert found is not None
    assert found.step == 2
    assert len(warnings) == 1
    assert str(newest) in warnings[0]
    assert str(newest) + ".damaged" in warnings[0]
    assert str(found.path) in warnings[0]
    assert (run.checkpoints / "ckpt-3.damaged").is_dir()
    # It is written again, and nothing is in the way when that is damaged too.
    saver.save(3)
    (run.checkpoints / "ckpt-3" / COMMIT_FILE).unlink()
    assert resume_point(run, warn=warnings.append) == found
    assert (run.checkpoints / "ckpt-3.damaged-2").is_dir()


def test_all_damaged_is_an_error_and_stays_one(run: RunFolder, weight: tf.Variable) -> None:
    saver = saver_of(run, weight)
    for step in (1, 2):
        (saver.save(step) / "state.index").unlink()
    for _ in range(2):
        with pytest.raises(DataError, match=r"ckpt-2: state.index is missing; ckpt-1: state.in"):
            resume_point(run, warn=pytest.fail)
    assert steps(run) == [1, 2]
    for step in (1, 2):  # as a user may do
        (run.checkpoints / f"ckpt-{step}").rename(run.checkpoints / f"ckpt-{step}.damaged")
    with pytest.raises(DataError, match="no checkpoint"):
        resume_point(run, warn=pytest.fail)


def test_a_run_without_its_manifest(run: RunFolder, weight: tf.Variable) -> None:
    """The hint makes nothing in the run folder that is not of its data."""
    saver_of(run, weight).save(1)
    run.data.mkdir()
    (checkpoint,) = run.all_checkpoints()
    with pytest.raises(InputMissingError, match=r"there is no .*data/manifest\.json") as error:
        checkpoint.manifest()
    assert error.value.hint.startswith("copy manifest.json and the vocabulary of the data")


def test_a_new_run_has_none(run: RunFolder) -> None:
    assert resume_point(run, warn=pytest.fail) is None


def test_a_newer_format_is_no_damage(run: RunFolder, weight: tf.Variable) -> None:
    folder = saver_of(run, weight).save(1)
    record = json.loads((folder / COMMIT_FILE).read_text()) | {"format_version": 3, "more": 1}
    (folder / COMMIT_FILE).write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"format version 3; this electra reads up to 2"):
        resume_point(run, warn=pytest.fail)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_never_written(
    run: RunFolder, weight: tf.Variable, value: float
) -> None:
    saver = saver_of(run, weight)
    saver.save(1)
    weight.assign([1.0, value, 3.0])
    with pytest.raises(TrainingError, match="step 2: not finite: w"):
        saver.save(2)
    assert [path.name for path in run.checkpoints.iterdir()] == ["ckpt-1"]


def test_the_newest_every_nth_and_the_best_stay(run: RunFolder, weight: tf.Variable) -> None:
    saver = saver_of(run, weight, newest=2, every=4, best_by="disc_auc")
    for step, value in enumerate([0.1, float("nan"), 0.7, 0.5, 0.6, 0.7, 0.2, 0.3, 0.4], start=1):
        saver.record_evaluation(step, {"disc_auc": value})
    assert steps(run) == [3, 4, 8, 9]  # 3 and 6 are equally good, and 3 was first
    assert saver.keep.best(run) == run.checkpoints / "ckpt-3"


def test_less_of_a_loss_is_better_and_nan_is_never_best(
    run: RunFolder, weight: tf.Variable
) -> None:
    saver = saver_of(run, weight, newest=1, best_by="total_loss")
    for step, value in enumerate([float("nan"), 3.0, 2.0, 2.5, float("nan")], start=1):
        saver.record_evaluation(step, {"total_loss": value})
    assert steps(run) == [3, 5]
    (run.checkpoints / "ckpt-3" / "evaluation.json").write_text("{")
    assert saver.keep.best(run) is None


def test_a_failed_save_is_tried_again(run: RunFolder, weight: tf.Variable) -> None:
    now, warnings = 0, []
    saver = saver_of(run, weight)
    save = SaveAction(saver, interval=4, last_step=20, step=lambda: now, warn=warnings.append)

    def at(step: int) -> None:
        nonlocal now
        now = step
        save()

    at(4)
    block(run)
    at(6)  # nothing is due
    assert not warnings
    at(8)
    at(10)
    assert len(warnings) == 1
    assert (
        f"{run.checkpoints / 'ckpt-8'}: Not a directory (it needs about 12 bytes, free"
        in warnings[0]
    )
    unblock(run)
    at(11)
    assert steps(run) == [4, 11]
    at(12)
    block(run)
    at(16)
    with pytest.raises(IOFailedError, match="ckpt-20"):
        at(20)


def test_it_is_an_error_when_the_next_one_is_due(run: RunFolder, weight: tf.Variable) -> None:
    now = 4
    save = SaveAction(
        saver_of(run, weight), interval=4, last_step=99, step=lambda: now, warn=lambda text: None
    )
    block(run)
    save()
    now = 8
    with pytest.raises(IOFailedError):
        save()


def test_a_device_that_fails_is_no_fault_of_the_disk_or_the_file(
    run: RunFolder, weight: tf.Variable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise tf.errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS")

    saver = saver_of(run, weight)
    whole = saver.save(1)
    for name in ("write", "read"):
        monkeypatch.setattr(tf.train.Checkpoint, name, fail)
    with pytest.raises(tf.errors.InternalError):
        saver.save(2)
    with pytest.raises(tf.errors.InternalError):
        restore(tf.train.Checkpoint(w=weight), whole / "state", hint="")
    assert [path.name for path in run.checkpoints.iterdir()] == ["ckpt-1"]


def test_a_failed_save_at_an_evaluation_is_tried_again(run: RunFolder, weight: tf.Variable) -> None:
    now, warnings = 4, []
    saver = saver_of(run, weight, best_by="disc_auc")
    save = SaveAction(saver, interval=4, last_step=12, step=lambda: now, warn=warnings.append)
    block(run)
    save()
    save.record_evaluation(now, {"disc_auc": 0.9})  # the next save is not due yet
    now = 6
    save.record_evaluation(now, {"disc_auc": 0.9})
    assert len(warnings) == 1
    unblock(run)
    save()
    assert steps(run) == [6]
    assert saver.keep.best(run) is None
    now = 7
    save.record_evaluation(now, {"disc_auc": 0.5})
    assert saver.keep.best(run) == run.checkpoints / "ckpt-7"
    block(run)
    now = 12
    with pytest.raises(IOFailedError, match="ckpt-12"):
        save.record_evaluation(now, {"disc_auc": 0.5})


@pytest.mark.slow
def test_the_best_of_a_whole_run(
    electra: Electra, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first value is no number, and for the best of all there is no room."""
    run, nan = tmp_path / "run", float("nan")
    values = {0: nan, 2: 0.6, 4: 0.9, 6: 0.7, 8: nan, 10: 0.5, 12: 0.1}
    reduce, commit = ElectraPretrainTask.reduce_aggregated_logs, CheckpointSaver.commit

    def chosen(
        self: ElectraPretrainTask, aggregated_logs: Any, global_step: tf.Tensor
    ) -> dict[str, float]:
        metrics = reduce(self, aggregated_logs, global_step)
        return metrics | {"disc_auc": values[int(global_step.numpy())]}

    def full(self: CheckpointSaver, folder: Path, step: int) -> None:
        if step == 4:
            raise OSError(28, "No space left on device")
        commit(self, folder, step)

    monkeypatch.setattr(ElectraPretrainTask, "reduce_aggregated_logs", chosen)
    monkeypatch.setattr(CheckpointSaver, "commit", full)
    keys = {"best_metric": "disc_auc", "keep_checkpoints": 1, "evaluate_every": 2,
            "checkpoint_every": 8}  # fmt: skip
    more = [part for key, value in keys.items() for part in ("--set", f"train.{key}={value}")]
    result = electra(*options(data, run, *more))
    assert result.code == 0, result.stderr
    assert f"{run / 'checkpoints' / 'ckpt-4'}: No space left" in result.stderr
    assert steps_of(run) == [6, 12]
    assert result.json["best_checkpoint"] == str(run / "checkpoints" / "ckpt-6" / "state")


def test_a_read_only_folder(run: RunFolder, weight: tf.Variable) -> None:
    run.checkpoints.mkdir()
    with (
        read_only(run.checkpoints),
        pytest.raises(IOFailedError, match=r"ckpt-1: (Read-only|Perm)"),
    ):
        saver_of(run, weight).save(1)


def test_leftovers_of_killed_writers_go(run: RunFolder, weight: tf.Variable) -> None:
    saver = saver_of(run, weight)
    saver.save(1)
    for name in (".ckpt-2.tmp-77", ".ckpt-0.old"):
        (run.checkpoints / name).mkdir()
        (run.checkpoints / name / "state.index").write_text("half")
    assert steps(run) == [1]
    saver.prepare()
    assert [path.name for path in run.checkpoints.iterdir()] == ["ckpt-1"]


def test_every_way_to_name_a_checkpoint(trained: Path) -> None:
    folder = trained / "checkpoints" / "ckpt-8"
    for path in (folder, folder / "state", folder / "state.index"):
        (found,) = find_checkpoints(path)
        assert (found.step, found.prefix, found.run.path) == (8, folder / "state", trained)
    assert [c.step for c in find_checkpoints(trained, every=True)] == [0, 4, 8, 12]


def test_a_run_that_was_trained_and_has_no_checkpoint_does_not_begin_anew(
    trained: Path, tmp_path: Path
) -> None:
    """They were removed, or their disk is not mounted; a stray file is none."""
    run = RunFolder(tmp_path / "run")
    shutil.copytree(trained, run.path, ignore=shutil.ignore_patterns("ckpt-*"))
    (run.checkpoints / "ckpt-9.index").touch()
    for path in (run.result, run.metrics):
        with pytest.raises(DataError, match="are gone: it has been trained") as caught:
            resume_point(run, warn=pytest.fail)
        assert "mounted" in caught.value.hint
        path.unlink()
    assert resume_point(run, warn=pytest.fail) is None


def test_a_run_folder_that_vanishes_does_not_come_back_half(
    run: RunFolder, weight: tf.Variable
) -> None:
    saver = saver_of(run, weight)
    saver.save(1)
    shutil.rmtree(run.path)
    run.path.mkdir()  # as whoever writes logs may do
    with pytest.raises(IOFailedError, match="ckpt-2: No such file"):
        saver.save(2)
    assert list(run.path.iterdir()) == []
