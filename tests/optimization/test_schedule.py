"""The learning rate, computed by hand: decay over the whole run, times warm-up."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.optimization.schedule import ElectraSchedule

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


def test_it_rises_to_the_end_of_warm_up_and_falls_from_there() -> None:
    schedule = ElectraSchedule(PEAK, STEPS, 100)
    rates = [rate(schedule, step) for step in range(0, STEPS + 1, 10)]
    assert rates.index(max(rates)) == 10
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert min(rates) == 0.0
