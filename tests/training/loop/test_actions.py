"""What is called after each loop, and how long loops are."""

from __future__ import annotations

import pytest

from electra_cli.training.loop.actions import every
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.controller import steps_per_loop


def test_at_multiples_and_at_the_last_step() -> None:
    now, called = 0, []
    action = every(4, 10, lambda: now, lambda logs: called.append(now))
    for now in range(11):  # noqa: B007 - the action sees it
        action({})
    assert called == [0, 4, 8, 10]


@pytest.mark.parametrize(
    ("step", "seconds", "length"),
    [
        (5, None, 1),  # the first of the process, which compiles
        (6, None, 2),  # until 8, a multiple of 4
        (8, None, 2),  # until 10, a multiple of 10
        (12, 0.01, 4),
        (12, 7.0, 1),  # ten seconds at most
        (12, 60.0, 1),
        (28, 0.01, 1),  # until the last step
    ],
)
def test_the_length_of_a_loop(step: int, seconds: float | None, length: int) -> None:
    now = 0.0
    clock = Clock(now=lambda: now)
    if seconds is not None:
        clock.start(0)
        now = seconds
        clock.stop(1)
    assert steps_per_loop(5, 29, clock, 4, 10)(step) == length
