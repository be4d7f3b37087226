"""A trainer as `electra pretrain` has it, for as many replicas as a strategy has."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from official.modeling import performance

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose


def build_trainer(
    config: Config, data: Path, *, strategy: tf.distribute.Strategy, precision: str
) -> ElectraTrainer:
    """Task, model, optimizer and trainer; the step is compiled as a whole."""
    manifest = load_manifest(data)
    config = config.replaced({"model.vocab_size": manifest.vocab.size})
    performance.set_mixed_precision_policy(precision)
    with strategy.scope():
        experiment = compose(
            config,
            manifest,
            data=manifest.folder,
            precision=precision,
            replicas=strategy.num_replicas_in_sync,
            xla=True,
        )
        task = ElectraPretrainTask(experiment.task)
        model = task.build_model()
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
        return ElectraTrainer(experiment, task, model, optimizer)
