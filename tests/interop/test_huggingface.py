"""The name map: complete in both directions, and an error where it is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.errors import TrainingError
from electra_cli.interop.huggingface import (
    Link,
    links_of,
    network_configs,
    to_tensors,
)
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from tests.export.runs import small_config

CONFIG = small_config(embedding=24)


@pytest.fixture
def model() -> ElectraModel:
    return ElectraModel(Architecture.of(CONFIG))


@pytest.fixture
def links() -> dict[str, list[Link]]:
    return links_of(Architecture.of(CONFIG))


def test_every_parameter_is_exported(model: ElectraModel, links: dict[str, list[Link]]) -> None:
    tensors = to_tensors(model, links)
    discriminator, generator = tensors["discriminator"], tensors["generator"]
    shared = [name for name in generator if name.startswith("electra.embeddings.")]
    assert len(shared) == 5
    exported = sum(array.size for part in tensors.values() for array in part.values())
    twice = sum(discriminator[name].size for name in shared)
    assert exported - twice == sum(int(tf.size(v)) for v in model.trainable_variables)


def test_kernels_are_transposed_and_attention_is_split(
    model: ElectraModel, links: dict[str, list[Link]]
) -> None:
    fused = model.discriminator.blocks[1].query_key_value
    fused.kernel.assign(tf.random.stateless_normal(fused.kernel.shape, [1, 2]))
    fused.bias.assign(tf.random.stateless_normal(fused.bias.shape, [3, 4]))
    tensors = to_tensors(model, links)["discriminator"]
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


def test_an_unmapped_variable_is_an_error(
    model: ElectraModel, links: dict[str, list[Link]]
) -> None:
    model.something_new = tf.Variable([1.0], name="something_new")
    with pytest.raises(TrainingError, match="something_new"):
        to_tensors(model, links)


def test_a_dropped_link_is_an_error(model: ElectraModel, links: dict[str, list[Link]]) -> None:
    links["generator"] = [
        link for link in links["generator"] if link.tensor != "generator_lm_head.bias"
    ]
    with pytest.raises(TrainingError, match="output_bias"):
        to_tensors(model, links)


def test_a_dropped_third_is_an_error(model: ElectraModel, links: dict[str, list[Link]]) -> None:
    links["discriminator"] = [
        link for link in links["discriminator"] if "layer.0.attention.self.key" not in link.tensor
    ]
    with pytest.raises(TrainingError, match="layer_0/attention/self/qkv"):
        to_tensors(model, links)


@pytest.mark.parametrize("path", ["embeddings.nothing", "generator.blocks.9.output.kernel"])
def test_a_variable_that_the_model_lacks_is_an_error(
    model: ElectraModel, links: dict[str, list[Link]], path: str
) -> None:
    links["generator"][0] = dataclasses.replace(links["generator"][0], variable=path)
    with pytest.raises(TrainingError, match=path):
        to_tensors(model, links)


def test_a_model_without_the_projection_is_an_error(links: dict[str, list[Link]]) -> None:
    with pytest.raises(TrainingError, match=r"project\.kernel"):
        to_tensors(ElectraModel(Architecture.of(small_config(embedding=32))), links)


def test_configs_have_each_networks_own_sizes() -> None:
    sizes = ("hidden_size", "num_attention_heads", "intermediate_size", "embedding_size")
    discriminator, generator = network_configs(CONFIG, pad_id=0).values()
    assert [discriminator[name] for name in sizes] == [32, 4, 64, 24]
    assert [generator[name] for name in sizes] == [16, 1, 64, 24]
    assert discriminator["architectures"] == ["ElectraForPreTraining"]
    assert generator["architectures"] == ["ElectraForMaskedLM"]
    assert generator["tie_word_embeddings"] is True
    assert generator["layer_norm_eps"] == 1e-12
