"""One model on its devices that is trained again and again: per column and seed.

Building and compiling the graph takes longer than many a fine-tuning, so that it is done once for
all runs; each begins by setting every variable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import performance

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.finetuning.columns import Weights
from electra_cli.finetuning.data import DEV, TRAIN, TaskData
from electra_cli.finetuning.recipe import recipe_of, steps_of
from electra_cli.inputs.labelled_rows import LabelledRows
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.modeling.task_model import TaskModel
from electra_cli.optimization.registration import finetune_optimization_config
from electra_cli.optimization.update import loss_scaling
from electra_cli.tasks.finetune import (
    FinetuneTask,
    FinetuneTaskConfig,
    LabelledDataConfig,
    Outputs,
)
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.outlook import Outlook


@dataclass
class Workbench:
    """Trainers for all runs of a fine-tuning.

    Attributes:
      config: Task and recipe, complete.
      data: Labelled rows.
      architecture: Of the encoder.
      strategy: The devices.
      outlook: Precision, replicas and the like.
      lanes: Parts of a micro-batch that run side by side.
    """

    config: FinetuneConfig
    data: TaskData
    architecture: Architecture
    strategy: tf.distribute.Strategy
    outlook: Outlook
    lanes: int

    def __post_init__(self) -> None:
        self._trainers: dict[bool, ElectraTrainer] = {}
        self._rows: dict[str, LabelledRows] = dict(self.data.rows)
        self.steps = steps_of(self.config, len(self._rows[TRAIN]))
        performance.set_mixed_precision_policy(self.outlook.precision)

    @property
    def head(self) -> HeadSizes:
        """Sizes of the head."""
        return HeadSizes.of(self.config.task, self.data.kind.labels)

    def trainer(self, *, frozen: bool) -> ElectraTrainer:
        """The trainer of all runs, or of those whose encoder stays as it is."""
        if frozen not in self._trainers:
            with self.strategy.scope():
                self._trainers[frozen] = self._build(frozen)
        return self._trainers[frozen]

    def _build(self, frozen: bool) -> ElectraTrainer:
        batch = self.config.train.batch_size
        rows = max(1, batch // self.config.train.accumulation_steps // self.outlook.replicas)
        experiment = cfg.ExperimentConfig(
            task=FinetuneTaskConfig(
                train_data=self._batches(seed=0, start_step=0),
                validation_data=LabelledDataConfig(
                    split=DEV,
                    global_batch_size=rows * self.outlook.replicas,
                    is_training=False,
                ),
            ),
            trainer=cfg.TrainerConfig(
                optimizer_config=finetune_optimization_config(
                    recipe_of(self.config, frozen=frozen),
                    steps=self.steps,
                    layers=self.architecture.main.layers,
                ),
                train_steps=self.steps,
            ),
            runtime=cfg.RuntimeConfig(
                mixed_precision_dtype=self.outlook.precision,
                enable_xla=self.outlook.xla,
                loss_scale="dynamic" if self.outlook.precision == "float16" else None,
            ),
        )
        task = FinetuneTask(
            experiment.task,
            config=self.config,
            architecture=self.architecture,
            head=self.head,
            rows=self._rows,
            score=self.data.score,
            lanes=self.lanes,
            xla=self.outlook.xla,
            frozen=frozen,
        )
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
        return ElectraTrainer(experiment, task, task.build_model(), optimizer)

    def _batches(self, *, seed: int, start_step: int) -> LabelledDataConfig:
        return LabelledDataConfig(
            split=TRAIN,
            global_batch_size=self.config.train.batch_size,
            is_training=True,
            seed=seed,
            start_step=start_step,
        )

    def begin(self, trainer: ElectraTrainer, weights: Weights | None, *, seed: int) -> None:
        """Sets every variable of a trainer to what a run begins with.

        Args:
          trainer: One of `trainer`.
          weights: Of the encoder; None for random ones.
          seed: Of the run: it decides the head, and random weights of the encoder.
        """
        with tf.init_scope(), tf.device("/cpu:0"):
            fresh = TaskModel(self.architecture, self.head, seed=seed)
        values = {variable.name: variable.numpy() for variable in fresh.variables}
        values |= {f"{name}:0": value for name, value in (weights or {}).items()}
        for variable in trainer.model.variables:
            variable.assign(values[variable.name])
        for variable in trainer.optimizer.variables():
            variable.assign(np.zeros(variable.shape, variable.dtype.as_numpy_dtype))
        scaling = loss_scaling(trainer.optimizer)
        if scaling is not None and scaling.dynamic:
            scaling._loss_scale.current_loss_scale.assign(scaling.initial_scale)
            scaling._loss_scale.counter.assign(0)
        trainer.global_step.assign(0)
        trainer.restart()

    def feed(self, trainer: ElectraTrainer, *, seed: int) -> None:
        """Gives a trainer the batches of a run from the step on at which it is."""
        params = self._batches(seed=seed, start_step=trainer.step())
        trainer.train_dataset = trainer.distribute_dataset(trainer.task.build_inputs, params)

    def outputs_of(self, trainer: ElectraTrainer, name: str, rows: LabelledRows) -> Outputs:
        """The outputs of a model for rows that need no labels, [N, …] each by name."""
        task, former = trainer.task, trainer.eval_dataset
        self._rows[name] = rows
        size = trainer.config.task.validation_data.global_batch_size
        params = LabelledDataConfig(split=name, global_batch_size=size, is_training=False)
        trainer.eval_dataset = trainer.distribute_dataset(task.build_inputs, params)
        try:
            with task.unscored():
                trainer.held_out_metrics()
        finally:
            trainer.eval_dataset = former
            del self._rows[name]
        return task.outputs
