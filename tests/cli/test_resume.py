"""What a start in an existing run folder refuses, accepts and repairs, before it trains."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from electra_cli.config.load import load_config, parse_set
from electra_cli.errors import DataError
from electra_cli.files.atomic import AtomicFile
from electra_cli.files.layout import COMMIT_FILE
from electra_cli.runs.commit import read_commit
from electra_cli.runs.lock import locked_run
from electra_cli.runs.resume import resume_point
from electra_cli.runs.run_folder import RunFolder
from electra_cli.training.plan.begin import create_run_folder
from electra_cli.training.plan.plans import RunPlan
from electra_cli.training.plan.preflight import plan_run
from electra_cli.training.plan.readiness import check_data, go_on
from tests.conftest import SMALL, Electra
from tests.training.runs import before_tensorflow, copied, options, steps_of


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run that was stopped at step 8."""
    return copied(trained, tmp_path / "run", newest=8)


@pytest.fixture
def own_data(data: Path, tmp_path: Path) -> Path:
    """A copy of the data that may be damaged."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def first_shard(folder: Path) -> Path:
    return sorted(folder.rglob("train*.npy"))[0]


def test_checkpoints_without_a_configuration(
    electra: Electra, run: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells whether this command's values are those of the checkpoints."""
    (run / "config.yaml").unlink()
    with before_tensorflow(monkeypatch):
        electra(*options(data, run, "--learning-rate", 0.5)).failed(65, "config.yaml is missing")
    assert not (run / "config.yaml").exists()


@pytest.mark.parametrize("damage", ["row", "byte", "empty", "gone"])
def test_damaged_data(
    electra: Electra, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    shard = first_shard(own_data)
    content = shard.read_bytes()
    row = 32 * 2
    if damage == "row":
        shard.write_bytes(content[:-row])  # a cut at the end of a row, which reads without error
    elif damage == "byte":
        shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "empty":
        shard.write_bytes(b"")
    else:
        shard.unlink()
    words = {
        "row": f"{len(content) - row:,} bytes, not {len(content):,}",
        "byte": "another checksum",
        "empty": f"0 bytes, not {len(content):,}",
        "gone": "is missing",
    }
    with before_tensorflow(monkeypatch):
        result = electra(*options(own_data, tmp_path / "new"))
    result.failed(65, shard.name, words[damage], "--verify")
    assert not (tmp_path / "new").exists()


def in_two_shards(folder: Path) -> list[Path]:
    """Makes two shards of one size out of the first, and a manifest that says so."""
    path, manifest = first_shard(folder), json.loads((folder / "manifest.json").read_text())
    (entry,) = (shard for shard in manifest["shards"] if shard["file"] == path.name)
    rows = np.load(path)
    half = len(rows) // 2
    manifest["shards"].remove(entry)
    manifest["examples"] -= len(rows) - 2 * half
    paths = [path, path.with_name("train-99999.npy")]
    for part, place in zip((rows[:half], rows[half : 2 * half]), paths, strict=True):
        np.save(place, part)
        content = place.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        manifest["shards"].append(
            entry | {"file": place.name, "rows": half, "bytes": len(content), "sha256": sha256}
        )
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return paths


def test_swapped_and_extra_shards(
    electra: Electra, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first are found by their checksums; what the manifest does not name is never read."""
    first, second = in_two_shards(own_data)
    (own_data / "train-99998.npy").write_bytes(b"not of this folder")
    command = options(own_data, tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
        electra(*command).failed(70, "ZeroDivisionError")
    aside = first.rename(own_data / "aside")
    second.rename(first)
    aside.rename(second)
    with before_tensorflow(monkeypatch):
        result = electra(*command)
    result.failed(65, f"{first.name} has another checksum", f"{second.name} has another checksum")


def plan_of(data: Path, run: Path, *values: str) -> RunPlan:
    given = [parse_set(text) for text in (*SMALL, "train.steps=12", *values)]
    loaded = load_config(preset="tiny", environment={}, overrides=given)
    return go_on(plan_run(loaded, data=data, model_dir=run), warn=pytest.fail)


def test_verification_may_be_left_out(own_data: Path, tmp_path: Path) -> None:
    shard = first_shard(own_data)
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for mode in ("auto", "size"):  # auto: too large to read it all
        plan = plan_of(own_data, tmp_path / "run", f"runtime.verify_data={mode}")
        check_data(plan, note=pytest.fail, verified=1)
    full = plan_of(own_data, tmp_path / "run", "runtime.verify_data=full")
    with pytest.raises(DataError, match="another checksum"):
        check_data(full, note=pytest.fail, verified=1)


def test_another_vocabulary_names_both(
    electra: Electra, own_data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same size: two word pieces have changed places."""
    manifest = json.loads((own_data / "manifest.json").read_text())
    vocab = own_data / manifest["vocab"]["file"]
    lines = vocab.read_text().splitlines()
    lines[-1], lines[-2] = lines[-2], lines[-1]
    vocab.write_text("\n".join(lines) + "\n")
    before = manifest["vocab"]["sha256"]
    now = hashlib.sha256(vocab.read_bytes()).hexdigest()
    manifest["vocab"]["sha256"] = now
    del manifest["tokenizer_sha256"]
    (own_data / "manifest.json").write_text(json.dumps(manifest))
    with before_tensorflow(monkeypatch):
        result = electra(*options(own_data, run))
    result.failed(65, "another vocabulary", before[:12], now[:12], str(manifest["vocab"]["size"]))


def test_a_vocabulary_of_another_size_names_both(
    electra: Electra, own_data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would make the configuration differ too, which says less."""
    manifest = json.loads((own_data / "manifest.json").read_text())
    vocab, size = own_data / manifest["vocab"]["file"], manifest["vocab"]["size"]
    vocab.write_text(vocab.read_text() + "more\n")
    manifest["vocab"] |= {
        "size": size + 1,
        "sha256": hashlib.sha256(vocab.read_bytes()).hexdigest(),
    }
    del manifest["tokenizer_sha256"]
    (own_data / "manifest.json").write_text(json.dumps(manifest))
    with before_tensorflow(monkeypatch):
        result = electra(*options(own_data, run))
    result.failed(65, f"another vocabulary ({size} word pieces", f"({size + 1} word pieces")


def test_another_casing_names_both(
    electra: Electra, own_data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((own_data / "manifest.json").read_text())
    del manifest["tokenizer_sha256"]
    manifest["tokenizer"]["lowercase"] = False
    (own_data / "manifest.json").write_text(json.dumps(manifest))
    with before_tensorflow(monkeypatch):
        result = electra(*options(own_data, run))
        result.failed(65, "another casing (lower-cased, accents removed", "case kept, accents rem")
        # Nor do the run's own checkpoints go with a copy of the manifest that was changed.
        (run / "data" / "manifest.json").write_text(json.dumps(manifest))
        electra(*options(own_data, run)).failed(65, "not of this run: another casing there")
    electra("evaluate", run, "--json").failed(65, "another casing")
    exported = electra("export", run, "--format", "onnx", "--output", run.parent / "o", "--json")
    exported.failed(65, "is not of its tokenizer: another casing there")


def test_checkpoints_of_another_architecture(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run / "checkpoints" / "ckpt-8"
    commit = read_commit(folder)
    other = commit.model_copy(update={"sizes": commit.sizes | {"model.num_layers": 2}})
    other = other.model_copy(update={"checksum": other.own_checksum()})
    (folder / COMMIT_FILE).write_text(other.model_dump_json())
    with before_tensorflow(monkeypatch):
        result = electra(*options(data, run))
    result.failed(65, str(folder), "model.num_layers 2 there, 1 here", "--init-from")


@pytest.mark.slow
def test_a_damaged_newest_checkpoint(
    electra: Electra, data: Path, run: Path, trained: Path
) -> None:
    expected = read_commit(trained / "checkpoints" / "ckpt-12").state_sha256
    (data_file,) = (run / "checkpoints" / "ckpt-8").glob("*.data-*")
    content = data_file.read_bytes()
    data_file.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    result = electra(*options(data, run))
    assert "warning: " in result.stderr
    assert "ckpt-8 is damaged" in result.stderr
    assert "resuming at step 4" in result.stderr
    assert result.json["start_step"] == 4
    assert result.json["state_sha256"] == expected
    whole = json.loads((trained / "result.json").read_text())
    assert result.json["evaluation"] == whole["evaluation"]
    assert (run / "checkpoints" / "ckpt-8.damaged").is_dir()


def test_the_newest_is_that_of_the_highest_step(run: Path) -> None:
    """Whatever the files' times say: the clock has jumped, and one checkpoint is of tomorrow."""
    tomorrow = time.time() + 86_400
    for step, when in ((0, tomorrow), (4, tomorrow), (8, 0.0)):
        for path in (run / "checkpoints" / f"ckpt-{step}", *run.glob(f"checkpoints/ckpt-{step}/*")):
            os.utime(path, (when, when))
    found = resume_point(RunFolder(run), warn=pytest.fail)
    assert found is not None
    assert found.step == 8


def test_all_checkpoints_damaged(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (run / "checkpoints").iterdir():
        (folder / "state.index").write_bytes(b"")
    for _ in range(2):
        with before_tensorflow(monkeypatch):
            result = electra(*options(data, run))
        result.failed(65, "no checkpoint in", "ckpt-8: state.index has 0 bytes", "--model-dir")
    assert steps_of(run) == [0, 4, 8]


def test_a_finished_run_whose_last_checkpoint_is_damaged(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(trained, tmp_path / "run")
    with before_tensorflow(monkeypatch):
        assert electra(*options(data, run)).json["final_step"] == 12
    (run / "checkpoints" / "ckpt-12" / "state.index").unlink()
    monkeypatch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
    result = electra(*options(data, run))  # it is not finished any more
    result.failed(70, "ZeroDivisionError")
    assert "ckpt-12 is damaged" in result.stderr


@pytest.mark.parametrize("name", ["data/manifest.json", "changes.jsonl", "config.yaml"])
def test_a_full_disk_is_an_error_about_a_file(
    data: Path, run: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plan = plan_of(data, run, "train.log_every=1")
    before = (run / "config.yaml").read_bytes()
    commit = AtomicFile.commit

    def full(self: AtomicFile) -> None:
        if self._path == run / name:
            raise OSError(28, "No space left on device")
        commit(self)

    monkeypatch.setattr(AtomicFile, "commit", full)
    with pytest.raises(OSError, match="No space left") as caught:
        create_run_folder(plan, bindings="", initialized=None)
    assert caught.value.filename == str(run / name)
    assert (run / "config.yaml").read_bytes() == before


@pytest.mark.slow
def test_a_full_disk_at_the_result(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is done, so the same command only evaluates again."""
    run = copied(trained, tmp_path / "run")
    expected = json.loads((run / "result.json").read_text())["state_sha256"]
    (run / "result.json").unlink()
    commit = AtomicFile.commit

    def full(self: AtomicFile) -> None:
        if self._path.name == "result.json":
            raise OSError(28, "No space left on device")
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(AtomicFile, "commit", full)
        failed = electra(*options(data, run))
    failed.failed(74, str(run / "result.json"), "No space left", "free some space")
    # Also of a run that is further than it is now asked to go.
    assert electra(*options(data, run, "--stop-at-step", 5)).json["state_sha256"] == expected
    assert steps_of(run) == [0, 4, 8, 12]


def test_another_process_holds_the_lock(
    electra: Electra, data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_run(RunFolder(run)), before_tensorflow(monkeypatch):
        result = electra(*options(data, run))
        result.failed(75, f"another process is writing to {run}: host ", "pid ", "started 20")
        # As operators set it in every pod, of a run that has only one.
        cluster = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
        electra(*options(data, run)).failed(75, "host ", "pid ")


def test_a_start_that_was_killed_early_is_no_obstacle(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("lock.json", "init.json"):
        (run / name).write_text("")
    (run / ".config.yaml.1234.tmp").write_text("half")
    shutil.copytree(trained / "data", run / "data")
    monkeypatch.setattr("electra_cli.environment.prepare_tensorflow", lambda: 1 / 0)
    (run / "init.json").unlink()
    electra(*options(data, run)).failed(70, "ZeroDivisionError")


def test_best_metric_is_checked(electra: Electra, data: Path, tmp_path: Path) -> None:
    command = options(data, tmp_path / "run", "--set", "train.best_metric=disc_acc")
    electra(*command).failed(2, "disc_acc", "--set train.best_metric=disc_a")
