"""Updates in every precision, and the average of weights; `test_exact_resume.py` combines them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import performance

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import apply_if_finite, innermost, loss_scaling
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose
from tests.training.test_replicas import configuration

DECAY = 0.5


@pytest.fixture(autouse=True)
def float32_afterwards() -> Iterator[None]:
    yield
    performance.set_mixed_precision_policy("float32")


def build(
    data: Path,
    *,
    precision: str = "float32",
    average: bool = False,
    parts: int = 1,
    device: str = "cpu",
    **values: Any,
) -> ElectraTrainer:
    manifest = load_manifest(data)
    config = configuration(
        **{
            "model.vocab_size": manifest.vocab.size,
            "train.accumulation_steps": parts,
            "optimizer.ema_decay": DECAY if average else 0.0,
            "optimizer.warmup_steps": 0,
            "optimizer.learning_rate": 2e-3,
            "train.steps": 1000,
        }
        | values
    )
    strategy = build_strategy(parse_device(device))
    experiment = compose(
        config, manifest, data=data, precision=precision, replicas=strategy.num_replicas_in_sync
    )
    performance.set_mixed_precision_policy(precision)
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task)
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
        return ElectraTrainer(experiment, task, task.build_model(), optimizer)


def train(trainer: ElectraTrainer, steps: int) -> dict[str, float]:
    return dict(trainer.train(tf.constant(steps)))


def state(trainer: ElectraTrainer) -> dict[str, np.ndarray]:
    """Weights, slots and averages by name."""
    weights = trainer.model.trainable_variables
    inner = innermost(trainer.optimizer)
    found = {v.name: v.numpy() for v in weights}
    found |= {f"{v.name} {s}": inner.get_slot(v, s).numpy() for v in weights for s in ("m", "v")}
    if isinstance(trainer.optimizer, WeightAverage):
        found |= {
            f"{v.name} average": trainer.optimizer.get_slot(v, "average").numpy() for v in weights
        }
    return found


def held_out_loss(trainer: ElectraTrainer) -> float:
    """After forty steps."""
    train(trainer, 40)
    return dict(trainer.evaluate(tf.constant(-1)))["total_loss"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_neither_a_loss_nor_a_gradient_that_is_not_finite_is_applied(value: float) -> None:
    weight = tf.Variable([1.0, 2.0])
    optimizer = ElectraAdamW(0.1)
    steps = [(1.0, 3.0), (value, 3.0), (1.0, value), (value, value), (1.0, 3.0)]
    seen = [weight.numpy()]
    for loss, part in steps:
        gradients = [tf.constant([0.5, part])]
        norm = tf.linalg.global_norm(gradients)
        verdict = apply_if_finite(optimizer, gradients, [weight], loss=tf.constant(loss), norm=norm)
        assert bool(verdict.applied) == np.isfinite([loss, part]).all()
        seen.append(weight.numpy())
    changed = [bool((a != b).all()) for a, b in itertools.pairwise(seen)]
    assert changed == [True, False, False, False, True]
    assert int(optimizer.iterations.numpy()) == len(steps)


@pytest.fixture(scope="module")
def float32_loss(data: Path) -> float:
    return held_out_loss(build(data))


def test_bfloat16_learns_the_same(data: Path, float32_loss: float) -> None:
    """benchmarks/precisions.py does this with the preset tiny and 200 steps."""
    loss = held_out_loss(build(data, precision="bfloat16"))
    assert loss == pytest.approx(float32_loss, rel=0.02)


def test_float16_learns_the_same_and_an_overflow_counts_apart(
    data: Path, float32_loss: float
) -> None:
    trainer = build(data, precision="float16")
    assert held_out_loss(trainer) == pytest.approx(float32_loss, rel=0.02)
    last = train(trainer, 1)
    scaling = loss_scaling(trainer.optimizer)
    assert scaling is not None
    scaling._loss_scale._current_loss_scale.assign(2.0**40)
    before, start = state(trainer), float(scaling.loss_scale)
    logs = train(trainer, 1)
    assert logs["overflow_steps"] == last["overflow_steps"] + 1
    assert logs["skipped_steps"] == 0
    assert np.isfinite(logs["total_loss"])
    assert float(scaling.loss_scale) == start / 2
    for name, value in state(trainer).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert int(trainer.optimizer.iterations.numpy()) == 42


@pytest.fixture(scope="module")
def averaging(data: Path) -> ElectraTrainer:
    """A trainer with an average of weights; its tests leave its state what some step made it."""
    return build(data, average=True)


def test_the_average_is_that_of_the_weights(averaging: ElectraTrainer) -> None:
    weights = averaging.model.trainable_variables
    assert int(averaging.global_step.numpy()) == 0
    expected = first = {v.name: v.numpy() for v in weights}
    for step in range(1, 5):
        train(averaging, 1)
        decay = min(DECAY, (1 + step) / (10 + step))
        expected = {v.name: decay * expected[v.name] + (1 - decay) * v.numpy() for v in weights}
    for variable in weights:
        found = averaging.optimizer.get_slot(variable, "average").numpy()
        np.testing.assert_allclose(found, expected[variable.name], atol=1e-6, err_msg=variable.name)
    # Every variable has a gradient, and an average.
    assert not [v.name for v in weights if (v.numpy() == first[v.name]).all()]
    assert len(averaging.optimizer._average_weights) == len(first)


def test_swapping_is_exact_and_evaluation_sees_the_average(averaging: ElectraTrainer) -> None:
    trainer = averaging
    train(trainer, 3)
    before = state(trainer)
    evaluated = dict(trainer.evaluate(tf.constant(-1)))
    for name, value in state(trainer).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    for variable in trainer.model.trainable_variables:
        variable.assign(before[f"{variable.name} average"])
        trainer.optimizer.get_slot(variable, "average").assign(before[variable.name])
    swapped = dict(trainer.evaluate(tf.constant(-1)))
    assert swapped["total_loss"] != evaluated["total_loss"]
    trainer.optimizer.swap_weights()
    again = dict(trainer.evaluate(tf.constant(-1)))
    assert again == pytest.approx(evaluated, rel=0, abs=0, nan_ok=True)
