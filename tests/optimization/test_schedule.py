"""The learning rate, computed by hand: decay over the whole run, times warm-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.rules.schedules import Course
from electra_cli.config.schema import Config
from electra_cli.optimization.registration import optimization_config
from electra_cli.optimization.schedule import CourseSchedule, ElectraSchedule
from electra_cli.tasks.electra import ElectraPretrainTask

PEAK, STEPS = 2e-4, 1000


def rate(schedule: ElectraSchedule, step: int) -> float:
    return float(schedule(tf.constant(step, tf.int64)))


@pytest.mark.parametrize(
    ("warmup", "power", "step", "share"),
    [
        (100, 1.0, 0, 0.0),
        (100, 1.0, 1, 0.999 * 0.01),
        (100, 1.0, 50, 0.95 * 0.5),
        (100, 1.0, 100, 0.9),  # it decays during warm-up too
        (100, 1.0, 550, 0.45),
        (100, 1.0, 1000, 0.0),
        (100, 1.0, 1001, 0.0),
        (100, 1.0, 10**9, 0.0),
        (0, 1.0, 0, 1.0),
        (0, 1.0, 250, 0.75),
        (0, 2.0, 500, 0.25),
        (100, 0.5, 50, 0.95**0.5 * 0.5),
        (2000, 1.0, 500, 0.5 * 0.25),  # warm-up that the run does not live to see the end of
        (2000, 1.0, 1000, 0.0),
        (2.5, 1.0, 2, 0.998 * 0.8),  # a share of a short run is not a whole number
        (2.5, 1.0, 3, 0.997),
    ],
)
def test_by_hand(warmup: float, power: float, step: int, share: float) -> None:
    schedule = ElectraSchedule(PEAK, STEPS, warmup, power)
    assert rate(schedule, step) == pytest.approx(PEAK * share, rel=1e-6)
    again = ElectraSchedule.from_config(schedule.get_config())
    assert rate(again, step) == rate(schedule, step)


def test_a_course_comes_back_from_its_configuration() -> None:
    schedule = CourseSchedule(PEAK, "wsd", 40, 4, 10, "1-sqrt")
    assert CourseSchedule.from_config(schedule.get_config()).course == schedule.course


def test_it_rises_to_the_end_of_warm_up_and_falls_from_there() -> None:
    schedule = ElectraSchedule(PEAK, STEPS, 100)
    rates = [rate(schedule, step) for step in range(0, STEPS + 1, 10)]
    assert rates.index(max(rates)) == 10
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert min(rates) == 0.0


@pytest.mark.parametrize("shape", ["linear", "1-sqrt"])
@pytest.mark.parametrize("schedule", ["electra", "linear", "cosine", "constant", "wsd"])
def test_every_update_of_a_run_has_the_rate_of_its_formula(schedule: Any, shape: Any) -> None:
    """As the optimizer asks for it, in float32 and in a graph, under the names of the registry."""
    config = Config().replaced(
        {
            "optimizer.schedule": schedule,
            "optimizer.learning_rate": PEAK,
            "optimizer.warmup_steps": 7,
            "train.steps": 40,
        }
        | ({"optimizer.decay_steps": 11} if schedule == "wsd" else {})
        | ({"optimizer.decay_shape": shape} if schedule == "wsd" else {})
    )
    optimizer = ElectraPretrainTask.create_optimizer(optimization_config(config))
    rate_of = tf.function(optimizer.current_learning_rate, autograph=False)
    found = []
    for done in range(41):  # one more than there are
        optimizer.iterations.assign(done)
        found.append(float(rate_of()))
    expected = Course.of(config).rate(PEAK, np.arange(1.0, 42.0), np)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-9 * PEAK)
    if schedule == "wsd":
        assert found[7:29] == [found[7]] * 22  # to the bit, wherever the end is
