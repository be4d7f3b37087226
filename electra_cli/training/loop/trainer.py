"""The inner loop: Model Garden's Trainer with exact per-step logs and a clock."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orbit
import tensorflow as tf
from official.core import base_trainer

from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import create_slots
from electra_cli.training.loop.signals import StopRequestedError

LOGGED = (
    "total_loss",
    "masked_lm_loss",
    "disc_loss",
    "gradient_norm",
    "learning_rate",
)

# Of this process: steps whose loss or gradient was not finite, in all and up to now in a row, and
# overflows met while float16's loss scale was searched.
COUNTED = ("skipped_steps", "skipped_in_a_row", "overflow_steps")

# A run has diverged when it has skipped more steps than this share of the last ones; so many in a
# row are among them.
WINDOW, MOST_SKIPPED = 1000, 10

_SECONDS_PER_LOOP = 10.0


class ElectraTrainer(base_trainer.Trainer):
    """Runs loops of steps in the graph and returns the logs of the last one.

    The logs are those of one step, not a mean over the loop, so what is logged at a step does not
    depend on where loops begin and end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `aggregate_logs` knows all of them, exactly.
        self._train_metrics: list[Any] = []
        self._validation_metrics: list[Any] = []
        if kwargs.get("train", True):
            create_slots(self.optimizer, self.model.trainable_variables)
        self._latest = {name: _plain_variable(0.0, f"latest/{name}") for name in LOGGED}
        zero = np.int64(0)
        self._counts = {name: _plain_variable(zero, f"counts/{name}") for name in COUNTED}
        self._last_skips = _plain_variable(
            np.full([MOST_SKIPPED + 1], -WINDOW, np.int64), "last_skips"
        )
        self._diverged_at = _plain_variable(zero, "diverged_at")
        self._at_divergence = {name: _plain_variable(0.0, f"diverged/{name}") for name in LOGGED}
        self.clock = Clock()
        # Raises StopRequestedError where the state is whole and the run is to stop.
        self.check_stop: Callable[[], None] = lambda: None
        # Is told that something has ended, and what comes next.
        self.waiting_for: Callable[[str], None] = lambda what: None

    def train_loop_begin(self) -> None:
        """Starts the clock of a loop, unless the run is to stop."""
        self.check_stop()
        step = int(self.global_step.numpy())
        self.waiting_for(f"input or computation of the steps after {step}")
        self.clock.start(step)

    # Nothing inside a step needs AutoGraph, whose conversion takes half of the time of tracing.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, iterator: Any) -> None:
        """One update on every replica."""

        update = functools.partial(self.task.train_step, model=self.model, optimizer=self.optimizer)
        # Several replicas meet inside the step, which XLA cannot do: there the task compiles what
        # comes before.
        if self.config.runtime.enable_xla and self.strategy.num_replicas_in_sync == 1:
            update = tf.function(update, jit_compile=True, autograph=False)

        def step(inputs: dict[str, tf.Tensor]) -> None:
            logs = update(inputs)
            for name, variable in self._latest.items():
                variable.assign(logs[name])
            self._count(logs)
            self.global_step.assign_add(1)

        self.strategy.run(step, args=(self.next_train_inputs(iterator),))

    def _count(self, logs: dict[str, tf.Tensor]) -> None:
        applied, overflowed = logs["applied"], logs["overflowed"]
        skipped = tf.cast(~(applied | overflowed), tf.int64)
        in_a_row = self._counts["skipped_in_a_row"]
        self._counts["skipped_steps"].assign_add(skipped)
        self._counts["overflow_steps"].assign_add(tf.cast(overflowed, tf.int64))
        # An overflow of the search for a loss scale neither continues a row nor ends one.
        in_a_row.assign(tf.where(applied, tf.zeros_like(skipped), in_a_row + skipped))
        # In the graph, so that it does not depend on where a loop ends.
        step = tf.cast(self.global_step, tf.int64) + 1
        before = tf.identity(self._last_skips)  # [11], by step
        skips = tf.where(skipped > 0, tf.concat([before[1:], [step]], axis=0), before)
        self._last_skips.assign(skips)
        diverged = (skipped > 0) & (skips[0] > step - WINDOW) & tf.equal(self._diverged_at, 0)
        for name, variable in self._at_divergence.items():
            variable.assign(tf.where(diverged, logs[name], variable))
        self._diverged_at.assign(tf.where(diverged, step, self._diverged_at))

    @property
    def divergence(self) -> dict[str, float] | None:
        """Step and logs of the step at which too many were skipped; None if none was."""
        step = int(self._diverged_at.numpy())
        logs = {name: variable.numpy().item() for name, variable in self._at_divergence.items()}
        return {"step": step, **logs} if step else None

    def train_loop_end(self) -> dict[str, float]:
        """The logs of the last step, and what was skipped so far, as plain numbers."""
        logs = {
            name: variable.numpy().item()
            for name, variable in (self._latest | self._counts).items()
        }
        step = int(self.global_step.numpy())
        self.clock.stop(step)
        self.waiting_for(f"logs and checkpoint of step {step}")
        return logs

    @tf.autograph.experimental.do_not_convert
    def eval_step(self, iterator: Any) -> dict[str, Any]:
        """One validation step; each log is the whole global batch, whichever worker asks."""
        inputs, _ = self.next_eval_inputs(iterator)
        outputs = self.strategy.run(self.task.validation_step, args=(inputs, self.model))
        del outputs[self.task.loss]  # the tokens say it for the whole split
        if isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return {name: self.strategy.gather(log, axis=0) for name, log in outputs.items()}
        return tf.nest.map_structure(self.strategy.experimental_local_results, outputs)

    def evaluate(self, num_steps: tf.Tensor) -> Any:
        """Evaluates; if the run is to stop meanwhile, the weights are those of training again."""
        try:
            return super().evaluate(num_steps)
        except StopRequestedError:
            if isinstance(self.optimizer, WeightAverage):
                self.optimizer.swap_weights()
            raise

    def eval_reduce(self, state: Any = None, step_outputs: Any = None) -> Any:
        """Adds a batch to the sums, unless the run is to stop."""
        self.check_stop()
        self.waiting_for(f"the evaluation at step {int(self.global_step.numpy())}")
        return super().eval_reduce(state, step_outputs)


def _plain_variable(value: Any, name: str) -> tf.Variable:
    """A variable that replicas need not agree on: all of them assign the same."""
    return tf.Variable(
        value,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


class Clock:
    """Time spent in training loops; the first loop, which compiles, counts apart."""

    def __init__(self) -> None:
        self._begun = (0.0, 0)
        self._loops = 0
        self._seconds = 0.0
        self._steps = 0
        self._first = (0.0, 0)

    def start(self, step: int) -> None:
        """A loop begins."""
        self._begun = (time.perf_counter(), step)

    def stop(self, step: int) -> None:
        """A loop has ended, its results are on the host."""
        seconds, steps = time.perf_counter() - self._begun[0], step - self._begun[1]
        if self._loops == 0:
            self._first = (seconds, steps)
        else:
            self._seconds += seconds
            self._steps += steps
        self._loops += 1

    @property
    def seconds_per_step(self) -> float:
        """Mean over all loops after the first; of the first while there is no other."""
        seconds, steps = (self._seconds, self._steps) if self._steps else self._first
        return seconds / steps if steps else 0.0

    def seconds_for(self, steps: int) -> float | None:
        """How long so many steps will take; None while there is no loop but the first."""
        return steps * self._seconds / self._steps if self._steps else None


def steps_per_loop(
    first_step: int, last_step: int, clock: Clock, *intervals: int
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
        return max(1, min(*ends, last_step - step))

    return length


def make_controller(
    trainer: ElectraTrainer,
    *,
    strategy: tf.distribute.Strategy,
    train_actions: list[orbit.Action],
    loop_length: Callable[[int], int] | None = None,
) -> orbit.Controller:
    """Orbit's outer loop around a trainer that is also its own evaluator."""
    return orbit.Controller(
        trainer=trainer if loop_length else None,
        evaluator=trainer,
        strategy=strategy,
        global_step=trainer.global_step,
        train_actions=train_actions,
        steps_per_loop=loop_length,
    )


@contextlib.contextmanager
def silent_stdout() -> Iterator[None]:
    """Keeps Orbit's own log off stdout, which belongs to machines."""
    with Path(os.devnull).open("w") as sink, contextlib.redirect_stdout(sink):
        yield
