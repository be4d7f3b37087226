"""The estimate of the time that is left."""

from __future__ import annotations

from electra_cli.training.loop.clock import Clock


def test_the_first_loop_which_compiles_makes_no_estimate() -> None:
    now = 100.0
    clock = Clock(now=lambda: now)
    clock.start(0)
    now += 30
    clock.stop(1)
    assert clock.seconds_for(100) is None
    assert clock.seconds_per_step == 30  # bounds the length of the next loop
    clock.start(1)
    now += 2
    clock.stop(5)
    assert clock.seconds_for(100) == 50
    assert clock.seconds_for(0) == 0
