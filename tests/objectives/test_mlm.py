"""Masked language modelling through all commands: one network, from the first step to an export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError, DataError
from electra_cli.export.run import export
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.objectives import metrics_of, objective_of
from electra_cli.runs.held_out import read_held_out
from tests.conftest import Electra, settings
from tests.export.runs import small_config, write_run
from tests.golden import test_reference_case as golden
from tests.golden.hparams import config_of
from tests.interop.conftest import assert_same
from tests.training.runs import copied

CONFIG = small_config(24).replaced({"objective.name": "mlm"})
MLM = objective_of(CONFIG.objective)


def fresh(config: Config = CONFIG) -> ElectraModel:
    return ElectraModel(Architecture.of(config.replaced({"train.seed": 1})))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("mlm") / "run", objective="mlm")


@pytest.fixture(scope="module")
def values(run: Path) -> dict[str, np.ndarray]:
    model = fresh()
    load_weights(model, find_source(run))
    return values_of(model)


@pytest.fixture(scope="module")
def huggingface(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    exported = export(checkpoint=run, format="huggingface", output=output)
    assert exported.parity.method == "transformers"
    assert exported.networks == ("generator",)
    return output


def test_hugging_face_has_one_network_that_fills_masks(huggingface: Path) -> None:
    assert [path.name for path in huggingface.iterdir()] == ["generator"]
    config = json.loads((huggingface / "generator" / "config.json").read_text())
    assert config["architectures"] == ["ElectraForMaskedLM"]
    assert config["hidden_size"] == CONFIG.model.hidden_size
    card = (huggingface / "generator" / "README.md").read_text()
    assert "# Masked language model" in card
    assert "2 layers, 32 wide, 4 attention heads" in card
    assert "`discriminator/`" not in card


def test_weights_come_back_from_every_format(
    run: Path, values: dict[str, np.ndarray], huggingface: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference"
    assert export(checkpoint=run, format="reference", output=reference).parity.method == "numpy"
    for path in (huggingface, huggingface / "generator", reference):
        model = fresh()
        source = find_source(path)
        source.check(model.architecture)
        report = load_weights(model, source)
        assert (report.missing, report.unused) == ([], [])
        assert set(report.parts()) == {"embeddings", "encoder", "generator head"}
        assert_same(values_of(model), values)


@pytest.mark.parametrize("format", ["saved-model", "onnx"])
def test_formats_of_a_discriminator_are_refused(run: Path, tmp_path: Path, format: str) -> None:
    with pytest.raises(ConfigError, match="objective mlm") as caught:
        export(checkpoint=run, format=format, output=tmp_path / "out")
    assert caught.value.hint == "--format huggingface, or --format reference"


def test_an_encoder_goes_from_one_objective_to_the_other(run: Path, tmp_path: Path) -> None:
    electra = write_run(tmp_path / "electra")
    tables = tmp_path / "tables"
    export(checkpoint=electra, format="huggingface", output=tables)
    for source, config, missing in (
        (electra, CONFIG, {"generator head"}),
        (tables, CONFIG, {"generator head"}),
        (run, small_config(24), {"generator", "generator head", "discriminator head"}),
    ):
        found = find_source(source)
        with pytest.raises(DataError, match="would begin fresh"):
            load_weights(fresh(config), found)
        model = fresh(config)
        found.check(model.architecture)
        report = load_weights(model, found, allow_missing=["generator", "discriminator"])
        assert set(report.missing_parts()) == missing
        loaded = [name for name in report.loaded if name.startswith("electra/encoder/")]
        assert len(loaded) == 2 * 12


def test_a_checkpoint_of_the_reference_is_whole() -> None:
    folder = golden.HERE / "objective_mlm"
    config = config_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    report = load_weights(fresh(config), find_source(folder / "reference.ckpt"))
    assert (report.missing, report.unused) == ([], [])


def test_a_generator_that_is_not_there_needs_no_heads() -> None:
    values = {"model.hidden_size": 500, "model.num_attention_heads": 4}
    with pytest.raises(ConfigError, match="129 wide, which 2 heads cannot share"):
        Config().replaced(values | {"generator.size": 0.258})
    config = Config().replaced(values | {"generator.size": 0.258, "objective.name": "mlm"})
    assert Architecture.of(config).main.hidden == 500


def test_a_run_is_resumed_and_evaluated(electra: Electra, data: Path, tmp_path: Path) -> None:
    options = ["--preset", "tiny", "--data", data, "--device", "cpu", "--steps", 8, "--json"]
    options += settings("objective.name=mlm", "train.best_metric=masked_lm_accuracy")
    whole = electra("pretrain", *options, "--model-dir", tmp_path / "whole")
    assert whole.code == 0, whole.stderr
    result = whole.json
    assert tuple(result["losses"]) == MLM.losses
    assert tuple(result["evaluation"]) == metrics_of([MLM], detail=True)
    assert result["parameters"]["discriminator"] == 0
    text = (tmp_path / "whole" / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    lines = [line for line in lines if line["kind"] in ("train", "validation")]
    assert all({*MLM.losses} <= set(line) and "disc_loss" not in line for line in lines)
    assert "mlm " in whole.stderr
    assert "discriminator alone" not in whole.stderr

    copied(tmp_path / "whole", tmp_path / "parts", newest=4)
    parts = electra("pretrain", *options, "--model-dir", tmp_path / "parts").json
    assert (parts["start_step"], parts["state_sha256"]) == (4, result["state_sha256"])
    held_out = read_held_out(tmp_path / "whole" / "held-out.json")
    assert held_out is not None
    assert held_out.step == 8
    assert held_out == read_held_out(tmp_path / "parts" / "held-out.json")
    tokens = [token for sentence in held_out.sentences for token in sentence.tokens]
    assert {token.suspicion for token in tokens} == {None}
    assert all((token.sampled is not None) == token.masked for token in tokens)

    evaluate = ["evaluate", tmp_path / "whole", "--device", "cpu", "--json"]
    missed = electra(*evaluate, "--fail-under", "masked_lm_accuracy=0.99")
    assert missed.code == 1
    (found,) = missed.json["checkpoints"]
    assert found["metrics"]["masked_lm_loss"] == pytest.approx(
        result["evaluation"]["masked_lm_loss"], rel=1e-5
    )
    electra(*evaluate, "--fail-under", "disc_auc=0.5").failed(2, "objective is mlm", "masked_lm")
    best = settings("objective.name=mlm", "train.best_metric=disc_auc")
    refused = electra("pretrain", *options, *best, "--model-dir", tmp_path / "other")
    refused.failed(2, "disc_auc", "objective mlm")
