"""`electra pretrain --init-from`: weights from elsewhere, everything else as in a new run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.export.run import export
from electra_cli.interop.reference import to_reference
from electra_cli.interop.weights import load_checkpoint, values_of
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import RunFolder
from tests.conftest import Electra, Result, settings
from tests.interop.conftest import assert_same, write_tf1
from tests.prepared import prepare

Pretrain = Callable[..., Result]


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "huggingface"
    export(checkpoint=trained, format="huggingface", output=folder)
    return folder


@pytest.fixture
def pretrain(electra: Electra, data: Path, tmp_path: Path) -> Pretrain:
    """One step of a run in a folder of this test, with another seed than `trained` has."""

    def call(*options: object) -> Result:
        fixed = ["--preset", "tiny", "--data", data, "--steps", 12, "--stop-at-step", 1]
        fixed += ["--device", "cpu", "--seed", 5, "--model-dir", tmp_path / "run", "--json"]
        return electra("pretrain", *fixed, *settings(), *options)

    return call


def lines(run: Path, kind: str) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["kind"] == kind]


@pytest.mark.slow
def test_from_a_hugging_face_folder(
    pretrain: Pretrain, trained: Path, exported: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(exported, tmp_path / "moved"))
    options = ["--init-from", moved, "--set", "optimizer.ema_decay=0.5"]
    result = pretrain(*options)
    assert result.code == 0, result.stderr
    assert result.json["start_step"] == 0
    for word in ("Weights from", "(Hugging Face)", "embeddings", "generator head"):
        assert word in result.stderr
    assert "begin fresh" not in result.stderr
    # Checkpoint 0 holds the loaded weights, and the averages begin from them.
    run = RunFolder(tmp_path / "run")
    source = find_checkpoints(trained)[-1]
    first = run.all_checkpoints()[0]
    assert first.step == 0
    assert_same(values_of(load_checkpoint(first)), values_of(load_checkpoint(source)))
    stored = tf.train.load_checkpoint(str(first.prefix))
    words = stored.get_tensor("model/embeddings/words/.ATTRIBUTES/VARIABLE_VALUE")
    np.testing.assert_array_equal(words, load_checkpoint(source).embeddings.words.numpy())
    # The optimizer begins afresh, and the metrics at step 0 are those of the source.
    assert [line["step"] for line in lines(run.path, "train")] == [1]
    assert stored.get_tensor("global_step/.ATTRIBUTES/VARIABLE_VALUE") == 0
    before = lines(run.path, "validation")[0]
    assert before["step"] == 0
    expected = json.loads((trained / "result.json").read_text())["evaluation"]
    for name, value in expected.items():
        if isinstance(value, float):
            assert before[name] == pytest.approx(value, rel=1e-6), name
    record = json.loads(run.init.read_text())
    assert record["path"] == str(moved)
    assert len(record["loaded"]) == len(values_of(load_checkpoint(source)))
    assert record["missing"] == []
    # The same command resumes; what it began from may be gone.
    shutil.rmtree(moved)
    again = pretrain(*options, "--stop-at-step", 2)
    assert again.code == 0, again.stderr
    assert again.json["start_step"] == 1
    assert f"--init-from {moved} is not used again" in again.stderr
    assert "Weights from" not in again.stderr
    finished = pretrain(*options, "--stop-at-step", 2)
    assert finished.json == again.json
    assert "is not used again" in finished.stderr


def test_a_discriminator_alone(pretrain: Pretrain, exported: Path, tmp_path: Path) -> None:
    options = ["--init-from", exported / "discriminator"]
    pretrain(*options).failed(65, "has no generator", "--init-allow-missing generator")
    result = pretrain(*options, "--init-allow-missing", "generator", "--dry-run")
    assert result.code == 0, result.stderr
    assert "these begin fresh: generator, generator head" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_hint_of_other_sizes_can_be_followed(
    pretrain: Pretrain, trained: Path, tmp_path: Path
) -> None:
    """A TensorFlow checkpoint says its sizes only once it is read: before a run folder exists."""
    values = values_of(load_checkpoint(find_checkpoints(trained)[-1]))
    prefix = write_tf1(tmp_path / "model.ckpt", to_reference(values))
    options = ["--init-from", prefix, "--device", "cpu:2"]
    other = ["--set", "model.num_layers=2", "--set", "model.embedding_size=8"]
    for more in ([], ["--dry-run"]):
        result = pretrain(*options, *other, *more)
        result.failed(65, "model.num_layers 1 there, 2 here", "--set model.num_layers=1")
        assert not (tmp_path / "run").exists()
    hint = re.findall(r"--set (model\.\S+=\d+)", " ".join(result.stderr.split()))
    assert set(hint) == {"model.num_layers=1", "model.embedding_size=24"}
    follow = [*options, *other, *(part for value in hint for part in ("--set", value))]
    dry = pretrain(*follow, "--dry-run")
    assert dry.code == 0, dry.stderr
    assert "Weights from" in dry.stderr
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_without_generator(pretrain: Pretrain, trained: Path, tmp_path: Path) -> None:
    """What a TensorFlow checkpoint lacks is seen only once it is read."""
    values = to_reference(values_of(load_checkpoint(find_checkpoints(trained)[-1])))
    kept = {name: array for name, array in values.items() if not name.startswith("generator")}
    prefix = write_tf1(tmp_path / "model.ckpt", kept)
    result = pretrain("--init-from", prefix)
    result.failed(65, "model.ckpt has no generator", "--init-allow-missing generator")
    assert "no vocab.txt beside" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_start_that_was_cut_short_is_not_forgotten(
    pretrain: Pretrain, trained: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text((trained / "config.yaml").read_text())
    (tmp_path / "run" / "init.json").write_text("{}")
    shutil.copytree(trained / "data", tmp_path / "run" / "data")
    pretrain("--seed", 0).failed(2, "was started with --init-from", "repeat the first command")


class TestBadInput:
    """What is refused before TensorFlow starts; no run folder is left behind."""

    @pytest.fixture
    def refuse(self, pretrain: Pretrain, tmp_path: Path):
        def call(code: int, *words: str, options: list[object]) -> None:
            pretrain(*options).failed(code, *words)
            assert not (tmp_path / "run").exists()

        return call

    def test_nothing_there(self, refuse, tmp_path: Path) -> None:
        missing = tmp_path / "missing"
        refuse(66, f"no weights at {missing}", options=["--init-from", missing])

    def test_a_pickled_file(self, refuse, tmp_path: Path) -> None:
        (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
        refuse(65, "pickled", "safetensors", options=["--init-from", tmp_path])

    def test_another_architecture(self, refuse, exported: Path, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(exported / "generator", tmp_path / "bert"))
        config = json.loads((folder / "config.json").read_text())
        config["architectures"] = ["BertForMaskedLM"]
        (folder / "config.json").write_text(json.dumps(config))
        refuse(65, "is of BertForMaskedLM", options=["--init-from", folder])

    @pytest.mark.parametrize("kind", ["trained", "exported"])
    def test_other_sizes(self, refuse, request: pytest.FixtureRequest, kind: str) -> None:
        options = ["--init-from", request.getfixturevalue(kind), "--set", "model.embedding_size=8"]
        words = ("model.embedding_size 24 there, 8 here", "--set model.embedding_size=24")
        refuse(65, *words, options=options)

    @pytest.mark.parametrize("kind", ["trained", "exported"])
    def test_another_vocabulary(
        self, refuse, request: pytest.FixtureRequest, kind: str, corpus: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other"
        prepare(
            inputs=corpus, output=other, vocab_size=500, sequence_length=32, workers=1,
            validation_fraction=0.1, seed=0,
        )  # fmt: skip
        assert load_manifest(other).vocab.size != 600
        source = request.getfixturevalue(kind)
        words = ("another vocabulary", f"{other}", "prepare-data INPUT --vocab", "600 word pieces")
        refuse(65, *words, options=["--init-from", source, "--data", other])

    def test_options_that_make_no_sense(self, refuse, exported: Path) -> None:
        allow = ["--init-allow-missing", "generator"]
        refuse(2, "without --init-from", options=allow)
        unknown = ["--init-from", exported, "--init-allow-missing", "encoder"]
        refuse(2, "no such network", "generator, discriminator", options=unknown)
