"""Our own checkpoints and Hugging Face folders into a model, and back, bit by bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file
from transformers import ElectraForMaskedLM, ElectraForPreTraining

from electra_cli.config.load import dump_config, read_config
from electra_cli.errors import DataError
from electra_cli.interop.huggingface import network_tensors
from electra_cli.interop.reference import Arrays
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_checkpoint, load_weights, values_of
from electra_cli.modeling.electra import ElectraModel
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.average import WeightAverage
from electra_cli.runs.named import find_checkpoints
from tests.interop.conftest import assert_same

Fresh = Callable[..., ElectraModel]


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_a_run(run_folder: Path, run_values: Arrays, fresh: Fresh) -> None:
    model = fresh()
    report = load_weights(model, find_source(run_folder))
    assert_same(values_of(model), run_values)
    assert (report.layout, report.missing, report.unused) == ("checkpoint of electra", [], [])


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_run_with_averages_gives_the_averages(
    run_folder: Path, fresh: Fresh, tmp_path: Path, replicas: int
) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    config = read_config(run / "config.yaml").replaced({"optimizer.ema_decay": 0.5})
    (run / "config.yaml").write_text(dump_config(config))
    devices = [f"CPU:{index}" for index in range(replicas)]
    with tf.distribute.MirroredStrategy(devices).scope():
        model, optimizer = fresh(), WeightAverage(ElectraAdamW())
        optimizer.shadow_copy(model)
        averages = {}
        for index, variable in enumerate(model.trainable_variables):
            averages[variable.name.split(":")[0]] = variable.numpy() + np.float32(index)
            optimizer.get_slot(variable, "average").assign(variable + float(index))
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.write(str(run / "checkpoints" / "ckpt-9"))
    filled = fresh()
    load_weights(filled, find_source(run))
    assert_same(values_of(filled), averages)
    assert_same(values_of(load_checkpoint(find_checkpoints(run)[-1])), averages)


def test_hugging_face_both_ways(exported: Path, run_values: Arrays, fresh: Fresh) -> None:
    model = fresh()
    report = load_weights(model, find_source(exported))
    assert_same(values_of(model), run_values)
    assert (report.layout, report.missing, report.unused) == ("Hugging Face", [], [])
    tensors = network_tensors(model)
    for part in ("discriminator", "generator"):
        assert_same(tensors[part], load_file(exported / part / "model.safetensors"))


def test_saved_by_transformers(
    exported: Path, run_values: Arrays, fresh: Fresh, tmp_path: Path
) -> None:
    """Also with buffers and a tied matrix that older versions wrote."""
    discriminator = ElectraForPreTraining.from_pretrained(exported / "discriminator")
    discriminator.save_pretrained(tmp_path / "discriminator")
    generator = ElectraForMaskedLM.from_pretrained(exported / "generator")
    generator.save_pretrained(tmp_path / "generator")
    file = tmp_path / "generator" / "model.safetensors"
    tensors = load_file(file)
    tensors["electra.embeddings.position_ids"] = np.arange(24)[None]
    tensors["generator_lm_head.weight"] = tensors["electra.embeddings.word_embeddings.weight"]
    save_numpy(tensors, file)
    model = fresh()
    report = load_weights(model, find_source(tmp_path))
    assert report.unused == []
    assert_same(values_of(model), run_values)


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_one_network_alone(exported: Path, run_values: Arrays, fresh: Fresh, network: str) -> None:
    absent = ({"discriminator", "generator"} - {network}).pop()
    source = find_source(exported / network)
    with pytest.raises(DataError, match=f"has no {absent}") as error:
        load_weights(fresh(), source)
    assert f"--init-allow-missing {absent}" in error.value.hint
    model = fresh()
    before = values_of(model)
    report = load_weights(model, source, allow_missing=[absent])
    assert report.missing_parts() == [absent, f"{absent} head"]
    assert report.parts()["embeddings"] == (5, 0, 0)
    after = values_of(model)
    for name in report.loaded:
        np.testing.assert_array_equal(after[name], run_values[name], err_msg=name)
    for name in report.missing:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert {*report.loaded, *report.missing} == set(before)


def test_tables_that_are_not_shared_and_strangers_are_named(copy: Path, fresh: Fresh) -> None:
    file = copy / "generator" / "model.safetensors"
    tensors = load_file(file)
    words = "electra.embeddings.word_embeddings.weight"
    tensors["classifier.weight"] = np.zeros([2, 2], np.float32)
    tensors["generator_lm_head.weight"] = tensors[words]
    tensors[words] = tensors[words] + 1
    save_numpy(tensors, file)
    model = fresh()
    report = load_weights(model, find_source(copy))
    assert sorted(report.unused) == [
        "generator/classifier.weight",
        f"generator/{words}",
        "generator/generator_lm_head.weight",
    ]
    kept = load_file(copy / "discriminator" / "model.safetensors")[words]
    np.testing.assert_array_equal(model.embeddings.words.numpy(), kept)


def test_an_untied_generator_has_its_own_tables(copy: Path, fresh: Fresh) -> None:
    file = copy / "generator" / "model.safetensors"
    tensors = load_file(file)
    words = "electra.embeddings.word_embeddings.weight"
    tensors[words] = tensors[words] + 1
    save_numpy(tensors, file)
    tied = fresh().architecture
    model = ElectraModel(replace(tied, sharing="none"))
    assert load_weights(model, find_source(copy)).unused == []
    np.testing.assert_array_equal(model.generator_embeddings.words.numpy(), tensors[words])
    assert (model.embeddings.words.numpy() != tensors[words]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("electra.encoder.layer.1.attention.self.key.weight"), "qkv/kernel"),
        (lambda t: t.pop("electra.embeddings.LayerNorm.bias"), "LayerNorm/beta"),
        (
            lambda t: t.update({"electra.encoder.layer.0.output.dense.weight": torch.zeros(3, 4)}),
            r"layer\.0\.output\.dense\.weight is \[3, 4\], the model needs \[32, 64\]",
        ),
    ],
)
def test_wrong_tensors_change_nothing(
    exported: Path,
    tmp_path: Path,
    fresh: Fresh,
    change: Callable[[dict[str, torch.Tensor]], None],
    words: str,
) -> None:
    folder = Path(shutil.copytree(exported / "discriminator", tmp_path / "copy"))
    tensors = ElectraForPreTraining.from_pretrained(folder).state_dict()
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    model = fresh()
    before = values_of(model)
    with pytest.raises(DataError, match=words):
        load_weights(model, find_source(folder), allow_missing=["generator", "discriminator"])
    assert_same(values_of(model), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(
    exported: Path, tmp_path: Path, fresh: Fresh, dtype: torch.dtype
) -> None:
    network = ElectraForPreTraining.from_pretrained(exported / "discriminator").to(dtype)
    network.save_pretrained(tmp_path / "half")
    model = fresh()
    load_weights(model, find_source(tmp_path / "half"), allow_missing=["generator"])
    expected = network.electra.embeddings.word_embeddings.weight.detach().float().numpy()
    np.testing.assert_array_equal(model.embeddings.words.numpy(), expected)


@pytest.mark.parametrize("size", [0, 5, 1000])
def test_a_truncated_file(copy: Path, fresh: Fresh, size: int) -> None:
    file = copy / "generator" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(DataError, match=r"generator/model\.safetensors cannot be read"):
        load_weights(fresh(), find_source(copy))


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("model__num_layers", 1, "--set model.num_layers=2"),
        ("model__num_layers", 3, "--set model.num_layers=2"),
        ("model__embedding_size", 16, "--set model.embedding_size=24"),
        ("model__intermediate_size", 32, "--set model.intermediate_size=64"),
        ("model__max_position_embeddings", 64, "--set model.max_position_embeddings=24"),
        ("generator__size", 0.25, "--set generator.size=0.5"),
    ],
)
def test_sizes_are_read_off_a_checkpoint_alone(
    run_folder: Path, tmp_path: Path, fresh: Fresh, key: str, value: float, hint: str
) -> None:
    """One that Model Garden's run_experiment wrote has no config.yaml beside it."""
    for path in (run_folder / "checkpoints").iterdir():
        shutil.copy(path, tmp_path)
    with pytest.raises(DataError, match="holds a model of other sizes") as error:
        load_weights(fresh(**{key: value}), find_source(tmp_path))
    assert hint in error.value.hint
