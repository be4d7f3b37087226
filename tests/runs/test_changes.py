"""A configuration that has changed between two starts of a run: asked for, recorded, or neither."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from electra_cli.config.load import diff_configs, dump_config, read_config
from electra_cli.config.rules.batches import rows_before
from electra_cli.config.schema import Config, leaf_fields
from electra_cli.config.sections import TrainConfig
from electra_cli.errors import ConfigError, DataError
from electra_cli.runs import changes
from electra_cli.runs.changes import check_changes, check_made_with, config_sha256, record_changes
from electra_cli.runs.run_folder import RunFolder
from tests.conftest import Electra
from tests.training.runs import before_tensorflow, copied, options


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run that was stopped at step 8."""
    return copied(trained, tmp_path / "run", newest=8)


def test_refused_with_both_values_and_the_way_out(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with before_tensorflow(monkeypatch):
        result = electra(*options(data, run, "--set", "model.hidden_dropout=0.2", steps=16))
    result.failed(
        2,
        "train.steps: 12 -> 16",
        "model.hidden_dropout: 0.0 -> 0.2",
        "--allow-config-change model.hidden_dropout --allow-config-change train.steps",
    )
    # Each key by itself.
    allowed = ["--allow-config-change", "train.steps"]
    with before_tensorflow(monkeypatch):
        command = options(data, run, "--set", "model.hidden_dropout=0.2", *allowed, steps=16)
        result = electra(*command)
    result.failed(2, "model.hidden_dropout: 0.0 -> 0.2")
    assert "train.steps: " not in result.json["error"]["message"]
    unknown = electra(*options(data, run, "--allow-config-change", "train.stepz"))
    unknown.failed(2, "train.stepz", "train.steps")


@pytest.mark.slow
def test_accepted_and_recorded(electra: Electra, data: Path, run: Path) -> None:
    more = ["--set", "train.log_every=1", "--stop-at-step", 9]
    changed = options(data, run, *more, "--allow-config-change", "train.steps", steps=16)
    assert electra(*changed).json["final_step"] == 9
    (line,) = (run / "changes.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "format_version": 1,
        "step": 8,
        "changed": {"train.steps": [12, 16], "train.log_every": [2, 1]},
    }
    # From now on that is the configuration of the run.
    again = electra(*options(data, run, *more, steps=16))
    assert again.code == 0, again.stderr
    electra(*options(data, run)).failed(2, "train.steps: 16 -> 12")


@pytest.mark.parametrize(
    ("schedule", "done", "end", "is_free"),
    [
        ("constant", 100, None, True),
        ("constant", 50, 50, True),
        ("constant", 51, 50, False),
        ("wsd", 90, 200, True),
        ("wsd", 91, 200, False),
        ("electra", 1, 200, False),
        ("electra", 0, 200, True),
    ],
)
def test_an_end_may_change_that_no_rate_so_far_knows(
    tmp_path: Path, schedule: str, done: int, end: int | None, is_free: bool
) -> None:
    """Only the end: another value that does not matter yet is refused all the same."""
    run = RunFolder(tmp_path)
    (run.checkpoints / f"ckpt-{done}").mkdir(parents=True)
    values = {"train.steps": 100, "optimizer.schedule": schedule, "optimizer.warmup_steps": 0}
    old = Config().replaced(values)
    new = old.replaced({"train.steps": end})
    if is_free:
        assert check_changes(old, new, (), run) == [("train.steps", 100, end)]
        other = new.replaced({"train.batch_size": 64})
        with pytest.raises(ConfigError, match=r"batch_size: 128 -> 64$"):
            check_changes(old, other, (), run)
    else:
        with pytest.raises(ConfigError, match=r"train\.steps: 100 -> "):
            check_changes(old, new, (), run)


def test_another_batch_without_a_gap(tmp_path: Path) -> None:
    run, size, key = RunFolder(tmp_path), "train.batch_size", "train.batch_schedule"
    old = Config().replaced({size: 16})
    new = old.replaced({size: 32})
    with pytest.raises(ConfigError) as error:
        check_changes(old, new, (), run)
    assert key not in error.value.hint  # nothing was read
    (run.checkpoints / "ckpt-9").mkdir(parents=True)
    with pytest.raises(ConfigError) as error:
        check_changes(old, new, (), run)
    assert error.value.hint.endswith(
        f"--allow-config-change {size}; rows are neither skipped nor read again with --set "
        f"{key}=16:144 --allow-config-change {key} besides"
    )
    typed = new.replaced({key: "16:144"})
    assert rows_before(typed.train, 9) == rows_before(old.train, 9)
    assert rows_before(typed.train, 10) == 144 + 32
    assert len(check_changes(old, typed, (size, key), run)) == 2


@pytest.mark.parametrize(
    ("was", "now", "way_out"),
    [
        ("/a", "/b", "--set generator.frozen=/a, or"),
        ("/a", None, "--set generator.frozen=/a, or"),
        (None, "/b", "--set generator.frozen=null, or"),
    ],
)
def test_a_generator_in_checkpoints_stays(
    tmp_path: Path, was: str | None, now: str | None, way_out: str
) -> None:
    """Only before the first of them is another one read."""
    run, key = RunFolder(tmp_path), "generator.frozen"
    fixed = {"generator.sharing": "none", key: was}
    old = Config().replaced(fixed)
    new = old.replaced({key: now})
    assert check_changes(old, new, [key], run) == [(key, was, now)]
    with pytest.raises(ConfigError, match="another configuration") as error:
        check_changes(old, new, (), run)
    assert f"--allow-config-change {key}" in error.value.hint
    checkpoint = run.checkpoints / "ckpt-3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "commit.json").touch()
    for allowed in ((), (key,)):
        with pytest.raises(ConfigError, match="checkpoints hold what was there") as error:
            check_changes(old, new, allowed, run)
        assert way_out in error.value.hint


def test_edited_by_hand(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command has the new value too: only the checkpoint knows the one it was made with."""
    file = run / "config.yaml"
    before = file.read_text()
    file.write_text(dump_config(read_config(file).replaced({"model.hidden_dropout": 0.2})))
    command = options(data, run, "--set", "model.hidden_dropout=0.2")
    with before_tensorflow(monkeypatch):
        result = electra(*command)
    result.failed(65, str(file), "ckpt-8", "was edited", "--allow-config-change KEY")
    assert not (run / "changes.jsonl").exists()
    # Both ways out that the hint names.
    monkeypatch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
    first = [*options(data, run), "--allow-config-change", "model.hidden_dropout"]
    electra(*first).failed(70, "ZeroDivisionError")
    file.write_text(before)
    changed = [*command, "--allow-config-change", "model.hidden_dropout"]
    electra(*changed).failed(70, "ZeroDivisionError")


def test_several_changes_since_the_checkpoint(run: Path) -> None:
    """One start after the other ends before it saves, one of them amid its records."""
    folder = RunFolder(run)
    checkpoint = folder.all_checkpoints()[-1]
    config = checkpoint.config()
    made = [
        {"train.steps": 16},
        {"train.steps": 20, "train.log_every": 1},
        {"train.seed": 7},
        {"optimizer.learning_rate": 0.5, "runtime.precision": "bfloat16"},
        {"train.steps": 16},
    ]
    for number, values in enumerate(made):
        new = config.replaced(values)
        check_made_with(checkpoint, new)
        record_changes(diff_configs(config, new), step=8, path=folder.changes)
        if number != 2:
            config = new
            folder.config.write_text(dump_config(config))
        check_made_with(checkpoint, new)
    assert len(folder.changes.read_text().splitlines()) == len(made)
    edited = config.replaced({"train.seed": 5})
    folder.config.write_text(dump_config(edited))
    with pytest.raises(DataError, match=r"config\.yaml"):
        check_made_with(checkpoint, edited)
    folder.config.write_text(dump_config(config))
    check_made_with(checkpoint, config)
    folder.changes.write_text("[]\nnull\n{\n")
    with pytest.raises(DataError, match="no recorded change"):
        check_made_with(checkpoint, config)


def test_the_hash_of_a_configuration_lasts() -> None:
    """Another value means that no run of today can be resumed."""
    config = Config().replaced({"train.seed": 7})
    expected = hashlib.sha256(b'{"train.seed": 7}').hexdigest()
    assert config_sha256(config) == expected


class _NewerTrain(TrainConfig):
    added: int = 3


class _Newer(Config):
    train: _NewerTrain = _NewerTrain()


def test_a_new_key_leaves_the_hashes_of_runs_that_know_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = config_sha256(Config())
    fields = {**leaf_fields(), "train.added": _NewerTrain.model_fields["added"]}
    monkeypatch.setattr(changes, "leaf_fields", lambda: fields)
    assert config_sha256(_Newer()) == before
    assert config_sha256(_Newer(train=_NewerTrain(added=4))) != before


@pytest.fixture
def run_of_0_1(tmp_path: Path) -> Path:
    """Two steps of a very small model, by the version that hashed all keys.

    electra prepare-data text.txt --output data --vocab-size 100 --sequence-length 16
    electra pretrain --preset tiny --data data --model-dir run --stop-at-step 2 …; see config.yaml.
    """
    shutil.copytree(Path(__file__).with_name("run_of_0_1"), tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.mark.slow
def test_a_run_goes_on_that_was_begun_when_all_keys_were_hashed(
    electra: Electra, run_of_0_1: Path
) -> None:
    data = run_of_0_1.with_name("data")
    file = run_of_0_1 / "config.yaml"
    command = ["pretrain", "--config", file, "--data", data, "--model-dir", run_of_0_1, "--json"]
    file.write_text(file.read_text().replace("seed: 0", "seed: 1"))
    electra(*command).failed(65, "ckpt-2", "was edited")
    file.write_text(file.read_text().replace("seed: 1", "seed: 0"))
    result = electra(*command).json
    assert (result["start_step"], result["final_step"]) == (2, 4)


@pytest.mark.slow
def test_a_change_that_the_checkpoint_cannot_follow_is_not_recorded(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no loss scale in it, nor an average; the former command still goes on."""
    before = {path: path.read_bytes() for path in run.glob("*.[yj]*") if "lock" not in path.name}
    for key, value in (("runtime.precision", "float16"), ("optimizer.ema_decay", "0.9")):
        change = ["--set", f"{key}={value}", "--allow-config-change", key]
        refused = electra(*options(data, run, *change))
        refused.failed(65, "cannot be restored", "repeat the former command")
        assert {path: path.read_bytes() for path in before} == before
    monkeypatch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
    electra(*options(data, run)).failed(70, "ZeroDivisionError")
