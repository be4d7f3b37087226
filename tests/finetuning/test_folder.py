"""The folder of a fine-tuning without a training: what begins it, and what goes on in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import read_config
from electra_cli.corpus.subword.open import open_tokenizer
from electra_cli.errors import ConfigError, DataError, OutputError
from electra_cli.files.atomic import AtomicFile
from electra_cli.finetuning.folder import FinetuneFolder, deciding, drop_weights
from electra_cli.sources.finetuned import Inputs, read_inputs
from tests.finetuning.finetuned_folders import write_finetuned


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_finetuned(tmp_path_factory.mktemp("finetuned") / "out")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> FinetuneFolder:
    return FinetuneFolder(Path(shutil.copytree(written, tmp_path / "out")))


def begin(folder: FinetuneFolder, like: Path, inputs: dict[str, Any], **values: Any) -> None:
    """Begins, or goes on, as `like` was begun but for what is named."""
    config = read_config(like / "finetune.yaml", FinetuneConfig).replaced(
        {key: value for key, value in values.items() if key.partition(".")[0] != "model"}
    )
    sizes = read_config(like / "model.yaml").replaced(
        {key: value for key, value in values.items() if key.startswith("model.")}
    )
    now = read_inputs(like).model_copy(update=inputs)
    folder.begin(config, sizes, now, open_tokenizer(like / "vocab.txt", now.tokenizer))


def test_going_on(folder: FinetuneFolder, written: Path) -> None:
    """More seeds, and another column, are recorded; the first one stays recorded."""
    begin(folder, written, {"source_sha256": {"random-else": "1" * 64}}, **{"train.seeds": 7})
    assert read_config(folder.config, FinetuneConfig).train.seeds == 7
    assert read_inputs(folder.path).source_sha256 == {
        "model": "0" * 64, "random-else": "1" * 64
    }  # fmt: skip


def with_other_file(inputs: Inputs, name: str) -> dict[str, Any]:
    other = inputs.files[name].model_copy(update={"sha256": "1" * 64, "path": "b.tsv"})
    return {"files": inputs.files | {name: other}}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("train", "another file for train: somewhere/train.tsv"),
        ("dev", "another file for dev: somewhere/dev.tsv"),
        ("one more dev", "another file for dev_more: none; now b.tsv"),
        ("one dev less", "a file for dev, somewhere/dev.tsv"),
        ("weights", "other weights of runs/mine for model"),
        ("source", "another source, runs/mine"),
        ("vocabulary", "another tokenizer"),
        ("casing", "another tokenizer"),
        ("labels", "other labels"),
        ("size", "a model of another size, runs/mine"),
    ],
)
def test_other_inputs(folder: FinetuneFolder, written: Path, changed: str, words: str) -> None:
    inputs = read_inputs(written)
    more = {"dev_more": with_other_file(inputs, "dev")["files"]["dev"]}
    values = {"model.num_layers": 3} if changed == "size" else {}
    update: dict[str, dict[str, Any]] = {
        "train": with_other_file(inputs, "train"),
        "dev": with_other_file(inputs, "dev"),
        "one more dev": {"files": inputs.files | more},
        "one dev less": {"files": {"train": inputs.files["train"]}},
        "weights": {"source_sha256": {"model": "1" * 64}},
        "source": {"source": "runs/other", "source_sha256": {"step-7": "1" * 64}},
        "vocabulary": {"vocab_sha256": "1" * 64},
        "casing": {"tokenizer": inputs.tokenizer.model_copy(update={"lowercase": False})},
        "labels": {"labels": ("no", "yes")},
        "size": {},
    }
    before = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(DataError, match=f"was started with {words}") as caught:
        begin(folder, written, update[changed], **values)
    assert "choose another --output" in caught.value.hint
    after = {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    assert after == before


def test_a_changed_configuration(folder: FinetuneFolder, written: Path) -> None:
    """Also if another process has begun since it was compared first."""
    with pytest.raises(ConfigError, match=r"train\.epochs: 3\.0 -> 4\.0"):
        begin(folder, written, {}, **{"train.epochs": 4.0})


def test_what_decides() -> None:
    config = FinetuneConfig().replaced(
        {"train.seeds": 3, "train.epochs": 4.0, "runtime.device": "cpu", "task.kind": "qa",
         "task.max_query_length": 8}
    )  # fmt: skip
    assert deciding(config) == {
        "train.epochs": 4.0, "task.kind": "qa", "task.max_query_length": 8
    }  # fmt: skip


@pytest.mark.parametrize("name", ["vocab.txt", "model.yaml", "inputs.json", "finetune.yaml"])
def test_a_start_that_was_killed(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Wherever it was, the next one begins."""
    folder = FinetuneFolder(tmp_path / "new")
    folder.path.mkdir()
    commit = AtomicFile.commit

    def full(self: AtomicFile) -> None:
        if self._path.name == name:
            raise OSError(28, "No space left on device")
        commit(self)

    with monkeypatch.context() as patch:
        patch.setattr(AtomicFile, "commit", full)
        with pytest.raises(OSError, match="No space"):
            begin(folder, written, {})
    assert not folder.begun
    folder.check_free()
    begin(folder, written, {})
    assert folder.begun


def test_something_else(tmp_path: Path) -> None:
    FinetuneFolder(tmp_path).check_free()
    FinetuneFolder(tmp_path / "new").check_free()
    (tmp_path / "vocab.txt").write_text("the")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="was not written by electra finetune"):
        FinetuneFolder(tmp_path).check_free()


def test_weights_that_are_dropped(folder: FinetuneFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the process is killed meanwhile."""
    run = folder.run("model", 0)
    assert run.all_checkpoints()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        drop_weights(run)
    assert not run.all_checkpoints()
    drop_weights(run)
    assert [path.name for path in run.path.iterdir()] == ["result.json"]
