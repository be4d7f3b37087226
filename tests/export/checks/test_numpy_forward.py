"""The NumPy forward pass computes what our model computes, and notices what does not belong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.finetune import Kind
from electra_cli.export.checks.numpy_forward import NumpyElectra, _gelu
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.interop.huggingface import (
    Tensors,
    network_configs,
    network_tensors,
    output_names,
    task_config,
    task_tensors,
)
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from electra_cli.sources.exportable import Exportable

Network = tuple[dict[str, Any], Tensors]


@pytest.fixture
def batch(source: Exportable) -> Probe:
    return make_probe(source)


@pytest.fixture
def discriminator(model: ElectraModel, source: Exportable) -> Network:
    config = network_configs(source.config, pad_id=0)["discriminator"]
    return config, network_tensors(model)["discriminator"]


def test_the_batch_has_padding_and_two_segments(batch: Probe) -> None:
    assert set(np.unique(batch.mask)) == {0, 1}
    assert set(np.unique(batch.segments)) == {0, 1}


def test_discriminator(model: ElectraModel, batch: Probe, discriminator: Network) -> None:
    features = batch.features()
    ours = model.discriminate(features["masked_input_ids"], features)[0].numpy()
    found = NumpyElectra(*discriminator).outputs(batch.ids, batch.mask, batch.segments)["logits"]
    assert found.dtype == np.float32
    assert np.ptp(ours) > 1
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-4)


def test_generator(model: ElectraModel, source: Exportable, batch: Probe) -> None:
    ours = model.generate(batch.features()).numpy()
    config = network_configs(source.config, pad_id=0)["generator"]
    tensors = network_tensors(model)["generator"]
    found = NumpyElectra(config, tensors).outputs(batch.ids, batch.mask, batch.segments)["logits"]
    assert np.ptp(ours) > 1
    np.testing.assert_allclose(found, ours, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", [None, "classification", "regression", "tagging", "qa"])
def test_every_tensor_matters(
    batch: Probe, discriminator: Network, source: Exportable, kind: Kind | None
) -> None:
    """A tensor that the comparison cannot see could be written wrongly and pass."""
    config, tensors = discriminator if kind is None else _of_task(source, kind)
    names = output_names(config)

    def logits(tensors: Tensors) -> np.ndarray:
        found = NumpyElectra(config, tensors).outputs(batch.ids, batch.mask, batch.segments)
        return np.stack([found[name] for name in names])

    expected = logits(tensors)
    for name, values in tensors.items():
        # A bias of keys moves all scores of a query alike, which softmax does not see.
        if name.endswith("self.key.bias"):
            continue
        wave = 0.1 * np.cos(np.arange(values.size, dtype=np.float32)).reshape(values.shape)
        assert np.abs(logits(tensors | {name: values + wave}) - expected).max() > 1e-3, name


def _of_task(source: Exportable, kind: Kind) -> Network:
    architecture = Architecture.of(source.config)
    model = TaskModel(architecture, HeadSizes(kind, "huggingface", 3), seed=1)
    config = task_config(source.config, kind, ("a", "b", "c"), pad_id=0)
    wide = np.random.default_rng(0)
    return config, {
        name: values + 0.3 * wide.standard_normal(values.shape, np.float32)
        for name, values in task_tensors(model, kind, scale=1, offset=0).items()
    }


def test_a_tensor_too_many_or_too_few(batch: Probe, discriminator: Network) -> None:
    config, tensors = discriminator
    arguments = (batch.ids, batch.mask, batch.segments)
    more = tensors | {"electra.pooler.weight": np.zeros([1], np.float32)}
    with pytest.raises(ValueError, match=r"electra\.pooler\.weight"):
        NumpyElectra(config, more).outputs(*arguments)
    less = {name: value for name, value in tensors.items() if "LayerNorm.bias" not in name}
    with pytest.raises(KeyError, match=r"LayerNorm\.bias"):
        NumpyElectra(config, less).outputs(*arguments)


def test_gelu_is_the_one_with_the_error_function() -> None:
    values = np.linspace(-6, 6, 1001, dtype=np.float32)
    exact = tf.nn.gelu(values, approximate=False).numpy()
    np.testing.assert_allclose(_gelu(values), exact, rtol=0, atol=1e-6)
