"""FinetuneTask: an encoder with a head on labelled rows, for the trainer that pretrains.

The interface is that of `official.core.base_task.Task`. Shapes: B rows of a replica, N rows of a
split.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras
from official.core import base_task
from official.core import config_definitions as cfg

from electra_cli.config.finetune import FinetuneConfig, Kind
from electra_cli.inputs.labelled import LabelledRows, evaluation_batches, training_batches
from electra_cli.inputs.rows import Share
from electra_cli.metrics.validation import joined
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from electra_cli.tasks.step import Batch, StepSettings, outputs_of_lanes, step_of_batch

Outputs = dict[str, npt.NDArray[Any]]
Score = Callable[[Outputs], dict[str, float]]

_INDEX, _LOSS = "example_index", "row_loss"
# A column that rows with labels have.
_LABELS: Mapping[Kind, str] = {
    "classification": "label_ids",
    "regression": "targets",
    "tagging": "labels",
    "qa": "start_positions",
}


@dataclasses.dataclass
class LabelledDataConfig(cfg.DataConfig):
    """One split of labelled rows.

    Attributes:
      split: Its name among the rows of the task.
      seed: Decides the order of training rows, with the step.
      start_step: The step of the first training batch.
    """

    split: str = ""
    seed: int = 0
    start_step: int = 0


@dataclasses.dataclass
class FinetuneTaskConfig(cfg.TaskConfig):
    """The two splits of a task, as Model Garden's trainer asks for them."""

    train_data: LabelledDataConfig = dataclasses.field(default_factory=LabelledDataConfig)
    validation_data: LabelledDataConfig = dataclasses.field(default_factory=LabelledDataConfig)


class FinetuneTask(base_task.Task):
    """Learns the labels of rows.

    The loss whose gradient is taken is a sum over the rows of a batch, as in the reference
    (run_finetuning.py); what is shown is its mean.

    Args:
      params: The splits.
      config: Recipe and device.
      architecture: Sizes of the encoder.
      head: Sizes of the head.
      rows: Rows by the name of their split.
      score: Metrics of the outputs of a split, rows in order.
      lanes: Parts of a batch that run side by side on the cores of a CPU.
      xla: Compile the whole step.
      frozen: Only the head learns.

    Attributes:
      outputs: Those of the last evaluation, [N, …] each by name.
    """

    total = "summed_loss"
    losses = ("summed_loss", "loss")

    def __init__(
        self,
        params: FinetuneTaskConfig,
        *,
        config: FinetuneConfig,
        architecture: Architecture,
        head: HeadSizes,
        rows: Mapping[str, LabelledRows],
        score: Score,
        lanes: int = 1,
        xla: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__(params)
        self._config, self._architecture, self._head = config, architecture, head
        self._rows, self._score = rows, score
        self._lanes, self._xla, self._frozen = lanes, xla, frozen
        self._scores = True
        self.outputs: Outputs = {}

    def build_model(self) -> TaskModel:
        """The model; its compute type is that of the global Keras policy."""
        return TaskModel(
            self._architecture,
            self._head,
            seed=self._config.train.seed,
            frozen=self._frozen,
            compute_dtype=tf_keras.mixed_precision.global_policy().compute_dtype,
        )

    def build_inputs(
        self, params: LabelledDataConfig, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Batches of labelled rows: their columns, example_index, step and seed, [B, …] each."""
        share = Share.from_context(params.global_batch_size, input_context)
        rows = self._rows[params.split]
        if not params.is_training:
            return evaluation_batches(rows, share)
        return training_batches(rows, share, seed=params.seed, start_step=params.start_step)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """None: `aggregate_logs` has exact numbers."""
        del training
        return []

    def train_step(
        self, inputs: Batch, model: TaskModel, optimizer: Any, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """One update from one global batch; see `tasks.step.step_of_batch`."""
        del metrics
        rows = float(self._config.train.batch_size)

        def losses(batch: Batch, dropout: Dropout) -> dict[str, tf.Tensor]:
            outputs = model(batch, training=True, dropout=dropout)
            summed = tf.reduce_sum(_row_losses(model, batch, outputs))
            return {"summed_loss": summed, "loss": summed / rows}

        return step_of_batch(
            inputs,
            losses,
            total=self.total,
            names=self.losses,
            model=model,
            optimizer=optimizer,
            seed=inputs["seed"][0],
            step=inputs["step"][0],
            settings=StepSettings(
                parts=self._config.train.accumulation_steps,
                lanes=self._lanes,
                xla=self._xla,
                clip_norm=self._config.optimizer.clip_norm,
            ),
        )

    def validation_logs(self, inputs: Batch, model: TaskModel) -> dict[str, tf.Tensor]:
        """The outputs of a batch, its rows' losses and indices, [B, …] each."""
        has_labels = _LABELS[self._head.kind] in inputs

        def forward(part: Batch) -> dict[str, tf.Tensor]:
            outputs = model(part, training=False)
            losses = {_LOSS: _row_losses(model, part, outputs)} if has_labels else {}
            return _kept(outputs) | losses

        return outputs_of_lanes(forward, inputs, self._lanes) | {_INDEX: inputs[_INDEX]}

    def validation_step(
        self, inputs: Batch, model: TaskModel, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """What `validation_logs` returns, and the mean of the rows' losses."""
        del metrics
        logs = self.validation_logs(inputs, model)
        return logs | {self.loss: tf.reduce_mean(logs[_LOSS]) if _LOSS in logs else tf.zeros([])}

    def aggregate_logs(
        self, state: list[Outputs] | None = None, step_logs: Mapping[str, Any] | None = None
    ) -> list[Outputs]:
        """Adds the rows of one step; a value may be a tuple with one tensor a replica."""
        state = state if state is not None else []
        if step_logs:
            state.append({name: joined(value) for name, value in step_logs.items()})
        return state

    def reduce_aggregated_logs(
        self, aggregated_logs: list[Outputs], global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """The metrics of the whole split, and its mean loss where it has labels."""
        del global_step
        joined = {
            name: np.concatenate([part[name] for part in aggregated_logs])  # [N + filling, …]
            for name in aggregated_logs[0]
        }
        index = joined.pop(_INDEX)
        there = np.flatnonzero(index >= 0)
        places = there[np.argsort(index[there], kind="stable")]  # [N]
        self.outputs = {name: values[places] for name, values in joined.items()}
        losses = self.outputs.pop(_LOSS, None)
        if not self._scores:
            return {}
        mean = {} if losses is None else {"loss": float(losses.mean(dtype=np.float64))}
        return mean | self._score(self.outputs)

    @contextlib.contextmanager
    def unscored(self) -> Iterator[None]:
        """Within it an evaluation only gives outputs, of rows that may have no labels."""
        self._scores = False
        try:
            yield
        finally:
            self._scores = True


def _row_losses(model: TaskModel, batch: Batch, outputs: Batch) -> tf.Tensor:
    """The loss of each row, [B] float32; 0 for a row that only fills the batch."""
    is_row = tf.cast(batch[_INDEX] >= 0, tf.float32)  # [B]
    return model.task_head.row_losses(batch, outputs) * is_row


def _kept(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What is kept of a batch: of the logits of words, [B, W, C], the best tag and its share."""
    logits = outputs.get("logits")
    if logits is None or logits.shape.rank < 3:
        return outputs
    return {
        "tags": tf.argmax(logits, axis=-1, output_type=tf.int32),  # [B, W]
        "shares": tf.reduce_max(tf.nn.softmax(logits), axis=-1),  # [B, W]
    }
