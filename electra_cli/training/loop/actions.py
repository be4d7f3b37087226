"""Everything periodic: each is an Orbit action, called after every loop with its logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from electra_cli.errors import TrainingError
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.evaluations import EvaluationAction
from electra_cli.training.loop.listener import Listener, Metrics, Progress
from electra_cli.training.loop.metric_writer import MetricWriter
from electra_cli.training.loop.skips import MOST_SKIPPED, WINDOW, Skips
from electra_cli.training.plan.outlook import Rates

Action = Callable[[Metrics], None]

_EXAMPLES_SHOWN = 8


def every(interval: int, last_step: int, step: Callable[[], int], action: Action) -> Action:
    """Calls an action at the multiples of an interval and at the last step."""

    def wrapped(logs: Metrics) -> None:
        if step() % interval == 0 or step() == last_step:
            action(logs)

    return wrapped


def write(writer: MetricWriter, step: Callable[[], int], rates: Callable[[], Rates]) -> Action:
    """Records logs and speed in the run folder."""
    return lambda logs: writer.write("train", step(), {**logs, **asdict(rates())})


def show(
    listener: Listener,
    *,
    last_step: int,
    step: Callable[[], int],
    clock: Clock,
    rates: Callable[[], Rates],
) -> Action:
    """Tells a listener how far a run is."""

    def action(logs: Metrics) -> None:
        left = clock.seconds_for(last_step - step())
        listener.progress(Progress(step(), last_step, logs, rates(), left))

    return action


def compare(listener: Listener) -> EvaluationAction:
    """Shows a listener each evaluation and the one before it."""
    before: tuple[int, Metrics] | None = None

    def action(step: int, metrics: Metrics) -> None:
        nonlocal before
        listener.evaluated(step, metrics, before)
        before = (step, metrics)

    return action


def before_the_end(last_step: int, step: Callable[[], int], check: Callable[[], None]) -> Action:
    """Calls what may stop a run, unless it is finished anyway."""
    return lambda logs: check() if step() < last_step else None


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
