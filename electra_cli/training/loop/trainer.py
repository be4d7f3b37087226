"""The inner loop: Model Garden's Trainer with exact per-step logs and a clock."""

from __future__ import annotations

import bisect
import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from official.core import base_trainer

from electra_cli.config.rules.batches import Stretch
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import create_slots
from electra_cli.tasks.step import whole
from electra_cli.training.devices.machine import device_of
from electra_cli.training.loop.clock import Clock
from electra_cli.training.loop.signals import StopRequestedError
from electra_cli.training.loop.skips import Skips, replica_variable


class ElectraTrainer(base_trainer.Trainer):
    """Runs loops of steps in the graph and returns the logs of the last one.

    The logs are those of one step, not a mean over the loop, so what is logged at a step does not
    depend on where loops begin and end.

    Attributes:
      clock: Times the loops.
      skips: Counts steps that were not finite.
      check_stop: Raises StopRequestedError where the state is whole and the run is to stop.
      waiting_for: Hears that something has ended, and what comes next.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # `aggregate_logs` knows all of them, exactly.
        self._train_metrics: list[Any] = []
        self._validation_metrics: list[Any] = []
        if kwargs.get("train", True):
            create_slots(self.optimizer, self.model.trainable_variables)
        logged = (*self.task.losses, "gradient_norm", "learning_rate")
        self._latest = {name: replica_variable(0.0, f"latest/{name}") for name in logged}
        self.skips = Skips(logged)
        self._known_step = 0
        self._stretches: Sequence[Stretch] = getattr(self.task, "stretches", ())
        self._fed: Stretch | None = None
        self.clock = Clock()
        self.check_stop: Callable[[], None] = lambda: None
        self.waiting_for: Callable[[str], None] = lambda what: None

    def distribute_dataset(self, dataset_or_fn: Any, *args: Any, **kwargs: Any) -> Any:
        """A dataset for the replicas; of a single one, the plain one.

        What else copies batches to the devices has a thread that tunes it. That sleeps for
        ever longer, and an iterator that goes waits for it: as long as the run has taken, at worst.

        Batches for GPUs stay on the host until a step takes them: TensorFlow wants integers there,
        and would fetch them back from the card, which it can only after the step before.
        """
        kind = device_of(self.strategy).device_type
        if self.strategy.num_replicas_in_sync == 1 and kind in ("CPU", "GPU"):
            return dataset_or_fn(*args, **kwargs)
        if kind == "GPU":
            options = tf.distribute.InputOptions(experimental_fetch_to_device=False)
            kwargs = kwargs | {"input_options": options}
        return super().distribute_dataset(dataset_or_fn, *args, **kwargs)

    def restart(self) -> None:
        """Begins to count and to time anew, for another run with the same graph."""
        self.skips.reset()
        self.clock = Clock()
        self._fed = None

    def step(self) -> int:
        """The number of updates done."""
        self._known_step = int(self.global_step.numpy())
        return self._known_step

    def reached(self) -> int:
        """The number of updates done; where the device has failed, the last one that is known."""
        with contextlib.suppress(tf.errors.OpError):
            return self.step()
        return self._known_step

    def train(self, num_steps: tf.Tensor) -> dict[str, float]:
        """Trains some steps, where the size of batches changes in several loops.

        A graph is traced for each size, so all shapes stay known.

        Returns:
          The logs of the last step.
        """
        if len(self._stretches) < 2:
            return super().train(num_steps)
        logs: dict[str, float] = {}
        end = self.step() + int(num_steps)
        while (step := self.step()) < end:
            logs = super().train(tf.constant(min(self._feed(step), end - step)))
        return logs

    def _feed(self, step: int) -> int:
        """Takes batches of the size that the update after a step has.

        Returns:
          How many updates may follow in one loop: 1 where a graph is traced first.
        """
        number = bisect.bisect([one.first_step for one in self._stretches], step) - 1
        stretch, later = self._stretches[number], self._stretches[number + 1 :]
        if stretch != self._fed:
            data = self.config.task.train_data
            data = data.replace(global_batch_size=stretch.rows, start_step=step)
            self.train_dataset = self.distribute_dataset(self.task.build_inputs, data)
            if self._fed is not None:
                self.clock.begin_anew()
            self._fed = stretch
            return 1
        return later[0].first_step - step if later else sys.maxsize

    def train_loop_begin(self) -> None:
        """Starts the clock of a loop, unless the run is to stop."""
        self.check_stop()
        self.waiting_for(f"input or computation of the steps after {self.step()}")
        self.clock.start(self.step())

    # Nothing inside a step needs AutoGraph, whose conversion takes half of the time of tracing.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, iterator: Any) -> None:
        """One update on every replica."""

        def recording_step(logs: dict[str, tf.Tensor]) -> None:
            for name, variable in self._latest.items():
                variable.assign(logs[name])
            self.skips.count(logs, tf.cast(self.global_step, tf.int64) + 1)
            self.global_step.assign_add(1)

        xla = self.config.runtime.enable_xla

        def training_step(inputs: dict[str, tf.Tensor]) -> None:
            logs = self.task.train_step(inputs, model=self.model, optimizer=self.optimizer)
            whole(recording_step, xla)(logs)

        def of_replica(inputs: dict[str, tf.Tensor]) -> None:
            # Several replicas meet inside the step: there the pieces between are compiled.
            whole(training_step, xla and self.strategy.num_replicas_in_sync == 1)(inputs)

        self.strategy.run(of_replica, args=(self.next_train_inputs(iterator),))

    def train_loop_end(self) -> dict[str, float]:
        """The logs of the last step, and what was skipped so far, as plain numbers."""
        logs = {name: variable.numpy().item() for name, variable in self._latest.items()}
        logs |= self.skips.totals()
        self.clock.stop(self.step())
        self.waiting_for(f"logs and checkpoint of step {self.step()}")
        return logs

    @tf.autograph.experimental.do_not_convert
    def eval_step(self, iterator: Any) -> dict[str, Any]:
        """One validation step; each log is the whole global batch, whichever worker asks."""
        inputs, _ = self.next_eval_inputs(iterator)

        def evaluation_step(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return self.task.validation_logs(inputs, self.model)

        def of_replica(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return whole(evaluation_step, self.config.runtime.enable_xla)(inputs)

        outputs = self.strategy.run(of_replica, args=(inputs,))
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

    def held_out_metrics(self) -> dict[str, float]:
        """Evaluates on all of the held-out data."""
        return dict(self.evaluate(tf.constant(-1)))

    def eval_reduce(self, state: Any = None, step_outputs: Any = None) -> Any:
        """Adds a batch to the sums, unless the run is to stop."""
        self.check_stop()
        self.waiting_for(f"the evaluation at step {self.step()}")
        return super().eval_reduce(state, step_outputs)
