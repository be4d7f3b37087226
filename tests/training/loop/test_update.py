"""Updates that are not finite, and updates in every precision."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from official.modeling import performance

from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.update import apply_if_finite, loss_scaling
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.training.trainers import build, state, train


@pytest.fixture(autouse=True)
def float32_afterwards() -> Iterator[None]:
    yield
    performance.set_mixed_precision_policy("float32")


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


def held_out_loss(trainer: ElectraTrainer) -> float:
    """After forty steps."""
    train(trainer, 40)
    return trainer.held_out_metrics()["total_loss"]


@pytest.mark.slow
def test_lower_precisions_learn_the_same(data: Path) -> None:
    """benchmarks/precisions.py does this with the preset tiny and 200 steps.

    The text is that of the Python at hand: at four times the rate one of a few texts ends 4% apart.
    """
    fast = {"optimizer.warmup_steps": 0, "optimizer.learning_rate": 5e-4, "train.steps": 1000}
    expected = held_out_loss(build(data, **fast))
    bfloat16 = held_out_loss(build(data, precision="bfloat16", **fast))
    assert bfloat16 == pytest.approx(expected, rel=0.02)
    trainer = build(data, precision="float16", **fast)
    assert held_out_loss(trainer) == pytest.approx(expected, rel=0.02)
    an_overflow_counts_apart(trainer)


def an_overflow_counts_apart(trainer: ElectraTrainer) -> None:
    """The step at which float16's loss scale was too high changes nothing and is not skipped."""
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
