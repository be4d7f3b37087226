"""Every supported combination of precision, average, accumulation and replicas, and bad numbers.

The table of docs/guide/pretrain.md has a row for each combination tried here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import performance

from electra_cli.corpus.manifest import load_manifest
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import innermost, loss_scaling
from electra_cli.task import ElectraPretrainTask
from electra_cli.training.experiment import compose
from electra_cli.training.strategy import build_strategy, parse_device
from electra_cli.training.trainer import ElectraTrainer
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


@pytest.mark.parametrize(
    ("precision", "average", "parts", "device"),
    [  # each value with each value of the others, which takes six of the 24
        ("float32", False, 1, "cpu"),
        ("float32", True, 2, "cpu:2"),
        ("bfloat16", True, 1, "cpu:2"),
        ("bfloat16", False, 2, "cpu"),
        ("float16", True, 2, "cpu"),
        ("float16", False, 1, "cpu:2"),
    ],
)
def test_combination_learns_and_survives_a_bad_step(
    data: Path, precision: str, average: bool, parts: int, device: str
) -> None:
    trainer = build(data, precision=precision, average=average, parts=parts, device=device)
    first = train(trainer, 1)
    last = train(trainer, 11)
    assert last["masked_lm_loss"] < first["masked_lm_loss"] - 0.3
    assert last["skipped_steps"] == 0
    before = state(trainer)

    # One weight that no number can come out of, for one step.
    poisoned = trainer.model.replaced_token_head.output.bias
    good = poisoned.numpy()
    poisoned.assign(good + np.nan)
    logs = train(trainer, 1)
    assert (logs["skipped_steps"], logs["skipped_in_a_row"]) == (1, 1)
    assert np.isnan(logs["total_loss"])
    poisoned.assign(good)
    after = state(trainer)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert int(trainer.global_step.numpy()) == int(trainer.optimizer.iterations.numpy()) == 13

    logs = train(trainer, 1)
    assert (logs["skipped_steps"], logs["skipped_in_a_row"]) == (1, 0)
    if precision != "float16":  # whose scale may overflow once more
        assert any((state(trainer)[name] != value).any() for name, value in before.items())


@pytest.fixture(scope="module")
def float32_loss(data: Path) -> float:
    return held_out_loss(data, "float32")


def held_out_loss(data: Path, precision: str) -> float:
    trainer = build(data, precision=precision)
    train(trainer, 40)
    return dict(trainer.evaluate(tf.constant(-1)))["total_loss"]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_precisions_learn_the_same(data: Path, float32_loss: float, precision: str) -> None:
    """benchmarks/precisions.py does this with the preset tiny and 200 steps."""
    assert held_out_loss(data, precision) == pytest.approx(float32_loss, rel=0.02)


def test_the_average_is_that_of_the_weights(data: Path) -> None:
    trainer = build(data, average=True)
    weights = trainer.model.trainable_variables
    expected = {v.name: v.numpy() for v in weights}
    for step in range(1, 5):
        train(trainer, 1)
        decay = min(DECAY, (1 + step) / (10 + step))
        expected = {v.name: decay * expected[v.name] + (1 - decay) * v.numpy() for v in weights}
    for variable in weights:
        found = trainer.optimizer.get_slot(variable, "average").numpy()
        np.testing.assert_allclose(found, expected[variable.name], atol=1e-6, err_msg=variable.name)


def test_swapping_is_exact_and_evaluation_sees_the_average(data: Path) -> None:
    trainer = build(data, average=True)
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


def test_float16_overflow_lowers_the_scale_and_counts_apart(data: Path) -> None:
    trainer = build(data, precision="float16")
    first = train(trainer, 1)
    scaling = loss_scaling(trainer.optimizer)
    assert scaling is not None
    scaling._loss_scale._current_loss_scale.assign(2.0**40)
    before, start = state(trainer), float(scaling.loss_scale)
    logs = train(trainer, 1)
    assert logs["overflow_steps"] == first["overflow_steps"] + 1
    assert logs["skipped_steps"] == 0
    assert np.isfinite(logs["total_loss"])
    assert float(scaling.loss_scale) == start / 2
    for name, value in state(trainer).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert int(trainer.optimizer.iterations.numpy()) == 2


def test_every_variable_has_a_gradient_and_an_average(data: Path) -> None:
    trainer = build(data, average=True)
    before = {v.name: v.numpy() for v in trainer.model.trainable_variables}
    train(trainer, 2)
    unchanged = [
        v.name for v in trainer.model.trainable_variables if (v.numpy() == before[v.name]).all()
    ]
    assert not unchanged
    assert len(trainer.optimizer._average_weights) == len(before)
