"""The name map: complete in both directions, and an error where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.finetune import Kind
from electra_cli.errors import TrainingError
from electra_cli.interop import huggingface
from electra_cli.interop.huggingface import (
    links_of,
    network_configs,
    network_tensors,
    task_config,
    task_links,
    task_tensors,
)
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from tests.export.runs import small_config

CONFIG = small_config(embedding=24)


@pytest.fixture
def model() -> ElectraModel:
    return ElectraModel(Architecture.of(CONFIG))


def test_every_parameter_is_exported(model: ElectraModel) -> None:
    tensors = network_tensors(model)
    discriminator, generator = tensors["discriminator"], tensors["generator"]
    shared = [name for name in generator if name.startswith("electra.embeddings.")]
    assert len(shared) == 5
    exported = sum(array.size for part in tensors.values() for array in part.values())
    twice = sum(discriminator[name].size for name in shared)
    assert exported - twice == sum(int(tf.size(v)) for v in model.trainable_variables)


def test_kernels_are_transposed_and_attention_is_split(model: ElectraModel) -> None:
    fused = model.discriminator.blocks[1].query_key_value
    fused.kernel.assign(tf.random.stateless_normal(fused.kernel.shape, [1, 2]))
    fused.bias.assign(tf.random.stateless_normal(fused.bias.shape, [3, 4]))
    tensors = network_tensors(model)["discriminator"]
    for third, part in enumerate(("query", "key", "value")):
        scope = f"electra.encoder.layer.1.attention.self.{part}"
        columns = slice(32 * third, 32 * (third + 1))
        np.testing.assert_array_equal(
            tensors[f"{scope}.weight"], fused.kernel.numpy()[:, columns].T
        )
        np.testing.assert_array_equal(tensors[f"{scope}.bias"], fused.bias.numpy()[columns])


@pytest.mark.parametrize(("embedding", "projected"), [(32, {"generator"}), (16, {"discriminator"})])
def test_only_another_width_is_projected(embedding: int, projected: set[str]) -> None:
    config = small_config(embedding)
    tables = links_of(Architecture.of(config))
    name = "electra.embeddings_project.weight"
    assert {
        part for part, table in tables.items() if name in [link.tensor for link in table]
    } == projected


def test_an_unmapped_variable_is_an_error(model: ElectraModel) -> None:
    model.something_new = tf.Variable([1.0], name="something_new")
    with pytest.raises(TrainingError, match="something_new"):
        network_tensors(model)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("generator_lm_head.bias", "output_bias"),
        ("layer.0.attention.self.key", "layer_0/attention/self/qkv"),
    ],
)
def test_a_dropped_link_is_an_error(
    model: ElectraModel, monkeypatch: pytest.MonkeyPatch, left_out: str, words: str
) -> None:
    tables = {
        network: [link for link in table if left_out not in link.tensor]
        for network, table in links_of(Architecture.of(CONFIG)).items()
    }
    monkeypatch.setattr(huggingface, "links_of", lambda architecture: tables)
    with pytest.raises(TrainingError, match=words):
        network_tensors(model)


def test_configs_have_each_networks_own_sizes() -> None:
    sizes = ("hidden_size", "num_attention_heads", "intermediate_size", "embedding_size")
    discriminator, generator = network_configs(CONFIG, pad_id=0).values()
    assert [discriminator[name] for name in sizes] == [32, 4, 64, 24]
    assert [generator[name] for name in sizes] == [16, 1, 64, 24]
    assert discriminator["architectures"] == ["ElectraForPreTraining"]
    assert generator["architectures"] == ["ElectraForMaskedLM"]
    assert generator["tie_word_embeddings"] is True
    assert generator["layer_norm_eps"] == 1e-12


def task_model(kind: Kind) -> TaskModel:
    return TaskModel(Architecture.of(CONFIG), HeadSizes(kind, "huggingface", 3), seed=0)


@pytest.mark.parametrize("kind", ["classification", "regression", "tagging", "qa"])
def test_every_parameter_of_a_task_is_exported(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    model = task_model(kind)
    tensors = task_tensors(model, kind, scale=1, offset=0)
    parameters = sum(int(tf.size(v)) for v in model.trainable_variables)
    assert sum(array.size for array in tensors.values()) == parameters
    without = task_links(model.architecture, kind)[:-1]
    monkeypatch.setattr(huggingface, "task_links", lambda architecture, kind: without)
    with pytest.raises(TrainingError, match="task_head"):
        task_tensors(model, kind, scale=1, offset=0)


def test_scale_and_offset_are_those_of_the_outputs() -> None:
    model = task_model("regression")
    inner = np.ones([1, 32], np.float32)
    plain, scaled = (
        inner @ tensors["classifier.out_proj.weight"].T + tensors["classifier.out_proj.bias"]
        for tensors in (
            task_tensors(model, "regression", scale=scale, offset=offset)
            for scale, offset in ((1, 0), (3, -5))
        )
    )
    np.testing.assert_allclose(scaled, plain * 3 - 5, rtol=1e-6)


def test_the_configuration_of_a_task_is_that_of_the_main_network() -> None:
    for objective in ("electra", "mlm"):
        config = CONFIG.replaced({"objective.name": objective})
        found = task_config(config, "tagging", ["O", "B-X"], pad_id=3)
        assert (found["hidden_size"], found["pad_token_id"]) == (32, 3)
        assert found["id2label"] == {"0": "O", "1": "B-X"}
    assert "id2label" not in task_config(CONFIG, "qa", [], pad_id=3)
