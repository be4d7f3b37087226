"""What tokens are drawn from: by training and by validation, at a temperature, or by chance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.metrics.names import BANDS
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.sampling import sampling_logits, uniform_ids
from electra_cli.objectives import metrics_of, objective_of
from electra_cli.objectives.base import Objective
from tests.modeling.test_electra import TINY, features
from tests.objectives.test_objectives import batch, chosen, model_of

LOGITS = np.random.default_rng(0).normal(0, 3, (2, 3, 7)).astype(np.float32)  # [B, M, V]
RIGHT = [[0, 6, 3], [2, 2, 5]]  # [B, M]


def drawn_from(objective: Any, *, training: bool, step: int = 0) -> np.ndarray:
    """[B·M, V]."""
    made: dict[str, tf.Tensor] = {
        "input_ids": tf.zeros([2, 9]),
        "masked_lm_ids": tf.constant(RIGHT),
    }
    if training:
        made = objective.step_features(made, tf.constant(step, tf.int64))
    return objective.sampling_logits(tf.constant(LOGITS), made, training=training).numpy()


@pytest.mark.parametrize("steps", [0, 50])
def test_temperature_and_right_tokens_while_training_alone(steps: int) -> None:
    plain = LOGITS.reshape(6, 7)
    objective = chosen(
        "electra", temperature=3.0, temperature_decay_steps=steps, disallow_correct=True
    )
    np.testing.assert_array_equal(drawn_from(objective, training=False), plain)
    np.testing.assert_array_equal(drawn_from(chosen("electra"), training=True), plain)
    never = 1000 * np.eye(7)[np.ravel(RIGHT)]
    for step in (0, 7, 10_000):
        temperature = 1 + 2 * (math.exp(-step / steps) if steps else 1)
        expected = plain / temperature - never
        found = drawn_from(objective, training=True, step=step)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        with plain_operations():
            np.testing.assert_allclose(
                drawn_from(objective, training=True, step=step), expected, rtol=1e-6
            )


def test_no_column_where_the_temperature_is_one() -> None:
    made = batch()
    assert chosen("electra").step_features(made, tf.constant(3)) == made
    warm = chosen("electra", temperature=1.5).step_features(made, tf.constant(3))
    assert set(warm) - set(made) == {"sampling_temperature"}
    np.testing.assert_array_equal(warm["sampling_temperature"], [1.5, 1.5])  # [B]


def test_only_one_of_both() -> None:
    logits, right = tf.constant(LOGITS[0]), tf.constant(RIGHT[0])
    cooled = sampling_logits(logits, tf.fill([3], 0.5), None)
    np.testing.assert_allclose(cooled, 2 * LOGITS[0], rtol=1e-6)
    np.testing.assert_allclose(
        sampling_logits(logits, None, right), LOGITS[0] - 1000 * np.eye(7)[RIGHT[0]], rtol=1e-6
    )


def test_a_model_never_puts_the_right_token_back_in_training() -> None:
    config = TINY.replaced({"objective.disallow_correct": True, "objective.temperature": 2.0})
    model, made = model_of(config), features(config, rows=4)
    # A generator that is sure of the right token of the first slot.
    right = int(made["masked_lm_ids"][0, 0])
    model.masked_lm_head.bias.assign(tf.one_hot(right, config.model.vocab_size, on_value=90.0))
    made = objective_of(config.objective).step_features(made, tf.constant(0))
    outputs = model(made, training=True, dropout=Dropout())
    used = made["masked_lm_weights"].numpy() > 0  # [B, M]
    is_right = made["masked_lm_ids"].numpy() == right  # [B, M]
    sampled = outputs["sampled_ids"].numpy()
    assert (sampled[used & is_right] != right).all()
    assert (sampled[used & ~is_right] == right).mean() > 0.9
    assert (model(made)["sampled_ids"].numpy()[used] == right).all()


def test_tokens_that_are_equally_likely() -> None:
    uniforms = tf.constant(np.linspace(0, 1, 5000, endpoint=False, dtype=np.float32))
    counts = np.bincount(uniform_ids(uniforms, 5), minlength=5)
    assert counts.tolist() == [1000] * 5
    never = tf.fill([5000], 3)
    counts = np.bincount(uniform_ids(uniforms, 5, never), minlength=5)
    assert counts.tolist() == [1250, 1250, 1250, 0, 1250]
    largest = tf.constant([np.nextafter(np.float32(1), np.float32(0))])
    assert uniform_ids(largest, 30_522).numpy().tolist() == [30_521]


UNIFORM = TINY.replaced({"objective.uniform_generator": True})


@pytest.fixture(scope="module")
def uniform() -> tuple[Objective, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """The objective, a batch, and what a model makes of it."""
    objective, made = objective_of(UNIFORM.objective), features(UNIFORM, rows=8)
    return objective, made, model_of(UNIFORM)(made)


def test_masks_that_are_filled_by_chance(uniform: Any) -> None:
    objective, made, outputs = uniform
    assert "masked_lm_logits" not in outputs
    counts = objective.counts(made)
    found = objective.mean_losses(made, outputs, counts)
    nothing = math.log(UNIFORM.model.vocab_size)
    assert float(found["masked_lm_loss"]) == pytest.approx(nothing, rel=1e-6)
    assert float(found["total_loss"]) == pytest.approx(
        nothing + 50 * float(found["disc_loss"]), rel=1e-6
    )
    used = made["masked_lm_weights"].numpy() > 0  # [B, M]
    assert len(np.unique(outputs["sampled_ids"].numpy()[used])) > 0.9 * used.sum()


def test_a_model_without_a_generator_learns_all_that_it_has(uniform: Any) -> None:
    objective, made, _ = uniform
    model = model_of(UNIFORM)
    names = {variable.name.split("/")[0] for variable in model.trainable_variables}
    assert names == {"electra", "discriminator_predictions"}
    with tf.GradientTape() as tape:
        found = objective.mean_losses(made, model(made), objective.counts(made))
    gradients = tape.gradient(found["total_loss"], list(model.trainable_variables))
    assert all(gradient is not None for gradient in gradients)


def test_metrics_of_chance(uniform: Any) -> None:
    objective, made, outputs = uniform
    logs = objective.validation_logs(made, outputs)
    state, metrics = objective.new_validation(UNIFORM.model.vocab_size), objective.keras_metrics()
    state.add(logs)
    objective.update_keras_metrics(metrics, logs)
    exact = state.result()
    assert tuple(exact) == metrics_of([objective], detail=True)
    assert "masked_lm_accuracy" not in exact
    assert exact["masked_lm_perplexity"] == pytest.approx(UNIFORM.model.vocab_size, rel=1e-5)
    assert exact["sampled_masked_lm_accuracy"] < 0.05
    assert f"sampled_masked_lm_accuracy/{BANDS[0]}" in exact
    assert [metric.name for metric in metrics] == list(objective.step_metrics)
    for metric in metrics:
        assert float(metric.result()) == pytest.approx(exact[metric.name], rel=1e-3), metric.name
