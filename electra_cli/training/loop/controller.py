"""Orbit's outer loop: how long its loops are, and that it prints nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import orbit

from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.trainer import ElectraTrainer

_SECONDS_PER_LOOP = 10.0


def steps_per_loop(
    first_step: int, last_step: float, clock: Clock, *intervals: int
) -> Callable[[int], int]:
    """How long the next loop is.

    The first loop is one step, so that compiling is timed apart; the others end at the next
    multiple of any interval, at the last step, and after some seconds: a run that is told to stop
    stops between loops.
    """

    def length(step: int) -> int:
        if step == first_step:
            return 1
        ends = [interval - step % interval for interval in intervals]
        if clock.seconds_per_step:
            ends.append(int(_SECONDS_PER_LOOP / clock.seconds_per_step))
        return max(1, int(min(*ends, last_step - step)))

    return length


def make_controller(
    trainer: ElectraTrainer, *, actions: Sequence[orbit.Action], loop_length: Callable[[int], int]
) -> orbit.Controller:
    """Orbit's outer loop around a trainer.

    Args:
      trainer: The trainer.
      actions: What is called after each loop with its logs.
      loop_length: How long the loop after a step is.
    """
    # What Orbit logs it also prints, and stdout belongs to machines.
    orbit.controller._log = logging.getLogger(__name__).debug
    return orbit.Controller(
        trainer=trainer,
        strategy=trainer.strategy,
        global_step=trainer.global_step,
        train_actions=actions,
        steps_per_loop=loop_length,
    )
