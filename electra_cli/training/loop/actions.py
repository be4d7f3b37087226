"""Orbit actions: what is called after every loop with its logs, or now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from electra_cli.errors import TrainingError
from electra_cli.training.loop.listener import Metrics
from electra_cli.training.loop.skips import MOST_SKIPPED, WINDOW, Skips

Action = Callable[[Metrics], None]

_EXAMPLES_SHOWN = 8


def every(interval: int, last_step: int, step: Callable[[], int], action: Action) -> Action:
    """Calls an action at the multiples of an interval and at the last step."""

    def wrapped(logs: Metrics) -> None:
        if step() % interval == 0 or step() == last_step:
            action(logs)

    return wrapped


def stop_when_diverged(skips: Skips, examples_of: Callable[[int], Sequence[int]]) -> Action:
    """Ends a run that skips too many steps because they are not finite.

    Args:
      skips: Knows whether it is so.
      examples_of: The examples of a step.
    """

    def action(logs: Metrics) -> None:
        found = skips.divergence
        if found is None:
            return
        shown = ", ".join(map(str, examples_of(int(found["step"]))[:_EXAMPLES_SHOWN]))
        raise TrainingError(
            f"loss or gradient was not finite in more than {MOST_SKIPPED} of the last {WINDOW:,} "
            f"steps, at last in step {found['step']} with the examples {shown} … (learning rate "
            f"{found['learning_rate']:.3g}, total_loss {found['total_loss']:.3g}, gradient norm "
            f"{found['gradient_norm']:.3g}); in a row: {logs['skipped_in_a_row']}",
            hint="start a new run with a lower --learning-rate, or --precision float32; "
            "the weights of the last checkpoint are finite",
        )

    return action
