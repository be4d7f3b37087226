"""Rates of a fine-tuned model: by hand, and what the optimizer makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import optimization

from electra_cli.config.finetune import FinetuneOptimizerConfig, LayerDecay
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.layerwise import rate_factor
from electra_cli.optimization.registration import finetune_optimization_config
from electra_cli.optimization.update import learning_rate_of

HEAD = "task_head/dense/kernel:0"
PROJECTION = "electra/embeddings_project/kernel:0"
WORDS = "electra/embeddings/word_embeddings:0"


def layer(index: int) -> str:
    return f"electra/encoder/layer_{index}/output/dense/bias:0"


@pytest.mark.parametrize(
    ("rule", "name", "layers", "power"),
    [
        ("paper", HEAD, 12, 0),
        ("paper", layer(11), 12, 1),
        ("paper", layer(1), 12, 11),  # not layer 11
        ("paper", layer(0), 12, 12),
        ("paper", PROJECTION, 12, 13),
        ("paper", WORDS, 12, 13),
        ("reference", HEAD, 12, 0),
        ("reference", layer(11), 12, 2),
        ("reference", layer(1), 12, 12),
        ("reference", layer(0), 12, 13),
        ("reference", PROJECTION, 12, 14),
        ("reference", WORDS, 12, 14),
        ("reference", layer(23), 24, 2),
        ("none", HEAD, 12, 0),
        ("none", layer(0), 12, 0),
        ("none", WORDS, 12, 0),
    ],
)
def test_by_hand(rule: LayerDecay, name: str, layers: int, power: int) -> None:
    found = rate_factor(name, layers=layers, factor=0.8, rule=rule)
    assert found == pytest.approx(0.8**power)


@pytest.mark.parametrize("rule", ["paper", "reference", "none"])
def test_a_name_of_another_model_is_an_error(rule: LayerDecay) -> None:
    with pytest.raises(ValueError, match="generator/encoder/layer_0/x"):
        rate_factor("generator/encoder/layer_0/x", layers=2, factor=0.8, rule=rule)


def test_a_factor_scales_the_whole_update() -> None:
    """Gradient and weight decay alike, in every step."""
    names = {HEAD: 1.0, layer(1): 0.25, "electra/encoder/layer_0/output/dense/kernel:0": 0.125}
    random = np.random.default_rng(0)
    start = random.normal(size=(4, 3)).astype(np.float32)
    gradients = random.normal(size=(3, 4, 3)).astype(np.float32)
    decayed = ElectraAdamW(
        0.1, weight_decay=0.1, layer_decay="reference", decay_factor=0.5, layers=2
    )
    for name, factor in names.items():
        plain = ElectraAdamW(0.1 * factor, weight_decay=0.1)
        ours, expected = (tf.Variable(start, name=name[:-2]) for _ in range(2))
        assert decayed.rate_factor_of(ours) == factor
        for gradient in gradients:
            decayed.apply_gradients([(tf.constant(gradient), ours)])
            plain.apply_gradients([(tf.constant(gradient), expected)])
        assert not np.array_equal(ours, start)
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


@pytest.mark.parametrize(("rule", "products"), [("none", 0), ("reference", 1)])
def test_without_a_rule_an_update_has_no_more_operations(rule: LayerDecay, products: int) -> None:
    kernel = tf.Variable(tf.ones([2, 2]), name=layer(0)[:-2])

    def operations(optimizer: ElectraAdamW) -> int:
        optimizer._create_all_weights([kernel])

        @tf.function(autograph=False)
        def update(gradient: tf.Tensor) -> None:
            optimizer.apply_gradients([(gradient, kernel)])

        graph = update.get_concrete_function(tf.ones([2, 2])).graph
        return sum(operation.type == "Mul" for operation in graph.get_operations())

    plain = operations(ElectraAdamW(0.1))
    assert operations(ElectraAdamW(0.1, layer_decay=rule, decay_factor=0.5, layers=2)) == (
        plain + products
    )


def test_model_garden_builds_it_with_a_fractional_warm_up() -> None:
    chosen = FinetuneOptimizerConfig(
        learning_rate=3e-4, layer_decay="paper", decay_factor=0.8, warmup_proportion=0.25
    )
    config = finetune_optimization_config(chosen, steps=10, layers=12)
    factory = optimization.OptimizerFactory(config)
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    assert float(learning_rate_of(optimizer)) == pytest.approx(3e-4 * (1 - 1 / 10) / 2.5, rel=1e-6)
    assert optimizer.rate_factor_of(tf.Variable(0.0, name=layer(10)[:-2])) == pytest.approx(0.64)


def test_its_configuration_builds_it_again() -> None:
    optimizer = ElectraAdamW(0.1, layer_decay="paper", decay_factor=0.8, layers=12)
    again = ElectraAdamW.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert again.rate_factor_of(tf.Variable(0.0, name=WORDS[:-2])) == pytest.approx(0.8**13)
