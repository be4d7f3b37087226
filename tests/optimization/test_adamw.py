from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import optimization

from electra_cli.config.schema import Config
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.registration import OptimizationConfig, optimization_config
from electra_cli.optimization.schedule import ElectraSchedule
from electra_cli.optimization.update import learning_rate_of
from tests.export.runs import small_config


def test_updates_against_the_formula() -> None:
    generator = np.random.default_rng(0)
    weights = {
        "layer/kernel": generator.normal(size=(5, 3)),
        "layer/bias": generator.normal(size=3),
        "layer/LayerNorm/gamma": generator.normal(size=3),
    }
    variables = [tf.Variable(w.astype(np.float32), name=n) for n, w in weights.items()]
    optimizer = ElectraAdamW(ElectraSchedule(1e-2, steps=10, warmup_steps=4))
    moments = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in weights.items()}
    for step in range(1, 6):
        rate = 1e-2 * (1 - step / 10) * min(1, step / 4)
        assert float(learning_rate_of(optimizer)) == pytest.approx(rate, rel=1e-6)
        gradients = {name: generator.normal(size=w.shape) for name, w in weights.items()}
        optimizer.apply_gradients(
            [
                (tf.constant(gradients[n], tf.float32), v)
                for n, v in zip(weights, variables, strict=True)
            ]
        )
        for name, gradient in gradients.items():
            first, second = moments[name]
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            moments[name] = (first, second)
            decay = 0.01 * weights[name] if name == "layer/kernel" else 0.0
            weights[name] = weights[name] - rate * (first / (np.sqrt(second) + 1e-6) + decay)
    for variable, expected in zip(variables, weights.values(), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=2e-6, atol=1e-7)
    assert int(optimizer.iterations) == 5


def test_weights_decay_but_for_biases_and_layer_norms() -> None:
    """With a gradient of zero nothing else changes; all and only they have one dimension."""
    variables = ElectraModel(Architecture.of(small_config(embedding=24))).trainable_variables
    for variable in variables:
        variable.assign(tf.ones_like(variable))
    optimizer = ElectraAdamW(0.5, weight_decay=0.1)
    optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])
    for variable in variables:
        expected = 1.0 if len(variable.shape) == 1 else 1 - 0.5 * 0.1
        np.testing.assert_allclose(variable.numpy(), expected, err_msg=variable.name)


def test_without_weight_decay_nothing_decays() -> None:
    kernel = tf.Variable([1.0], name="kernel")
    ElectraAdamW(0.5, weight_decay=0.0).apply_gradients([(tf.zeros([1]), kernel)])
    assert float(kernel[0]) == 1.0


def test_model_garden_builds_it_by_name() -> None:
    config = Config().replaced({"optimizer.learning_rate": 3e-4, "train.steps": 20})
    factory = optimization.OptimizerFactory(optimization_config(config))
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    assert isinstance(optimizer, ElectraAdamW)
    expected = 3e-4 * (1 - 1 / 20) / 10_000
    assert float(learning_rate_of(optimizer)) == pytest.approx(expected, rel=1e-6)


def test_model_gardens_own_optimizers_still_build() -> None:
    config = OptimizationConfig(
        {
            "optimizer": {"type": "adamw"},
            "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.1}},
        }
    )
    factory = optimization.OptimizerFactory(config)
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    assert float(learning_rate_of(optimizer)) == pytest.approx(0.1)
