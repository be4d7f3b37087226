"""Checkpoints over held-out data, in float32, through the task's own aggregation."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import tensorflow as tf
from official.modeling import performance

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.evaluation.plan import data_of
from electra_cli.inputs.store import lost_shards_named
from electra_cli.interop.restore import restore
from electra_cli.metrics.baselines import Baselines
from electra_cli.optimization.average import WeightAverage
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.tasks.traces import gradients_forgotten
from electra_cli.training.devices.machine import resolve_xla
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.peers import failures_named
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose


@dataclass(frozen=True)
class Evaluated:
    """The metrics of one checkpoint.

    Attributes:
      checkpoint: Which.
      metrics: By the names of the objective's `metrics` and `breakdowns`.
      baselines: Of the data that it was evaluated on.
    """

    checkpoint: Checkpoint
    metrics: dict[str, float]
    baselines: Baselines


def evaluate(
    checkpoints: Sequence[Checkpoint],
    *,
    data: Path | None = None,
    device: str = "auto",
    share: bool = False,
    on_progress: Callable[[int], None] | None = None,
    check_stop: Callable[[], None] = lambda: None,
    warn: Callable[[str], object] = lambda text: None,
    worker: Worker = ALONE,
) -> list[Evaluated]:
    """Evaluates checkpoints, possibly of several runs.

    Args:
      checkpoints: What to evaluate, in this order.
      data: A folder prepared with the same tokenizer; None for each run's own.
      device: As in `pretrain`.
      share: Also use a GPU on which another process computes.
      on_progress: Receives the number of checkpoints done.
      check_stop: Raises between two batches if the evaluation is to end.
      warn: Hears of a GPU that stays idle.
      worker: Which of several workers this is. They evaluate together, and what the chief finds
        holds for all.

    Raises:
      InputMissingError: The data is not there.
      DataError: It was prepared with another tokenizer.
      TryAgainError: Another worker was lost, or another process uses the GPU.
    """
    performance.set_mixed_precision_policy("float32")
    results: list[Evaluated] = []
    when = "before the evaluation"
    with lost_shards_named(lambda: when), failures_named(worker, lambda: when):
        strategy = build_strategy(parse_device(device), worker=worker, share=share, warn=warn)
        for _, of_run in groupby(checkpoints, key=lambda checkpoint: checkpoint.run):
            trainer = None
            gc.collect()  # the former run's model goes before there is another
            with gradients_forgotten():
                for checkpoint in of_run:
                    when = f"while {checkpoint.prefix} was evaluated"
                    if trainer is None:
                        manifest = data_of(checkpoint, data)
                        trainer = trainer_of(checkpoint, manifest, strategy)
                        trainer.check_stop = check_stop
                        baselines = Baselines.of(manifest)
                    metrics = worker.of_chief("metrics", _metrics_of(checkpoint, trainer))
                    results.append(Evaluated(checkpoint, metrics, baselines))
                    if on_progress is not None:
                        on_progress(len(results))
    return results


def _metrics_of(checkpoint: Checkpoint, trainer: ElectraTrainer) -> dict[str, float]:
    wanted = {"model": trainer.model, "global_step": trainer.global_step}
    if isinstance(trainer.optimizer, WeightAverage):  # swapped in by the trainer
        wanted["optimizer"] = trainer.optimizer
    checkpoint.check_whole()
    restore(
        tf.train.Checkpoint(**wanted),
        checkpoint.prefix,
        hint="choose another checkpoint of the run",
    )
    return trainer.held_out_metrics()


def trainer_of(
    checkpoint: Checkpoint, manifest: Manifest, strategy: tf.distribute.Strategy
) -> ElectraTrainer:
    """Builds what evaluates all checkpoints of one run."""
    config = checkpoint.config()
    experiment = compose(
        config,
        manifest,
        data=manifest.folder,
        precision="float32",
        replicas=strategy.num_replicas_in_sync,
        xla=resolve_xla(config.runtime.xla, strategy),
    )
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task)
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config)
        return ElectraTrainer(experiment, task, task.build_model(), optimizer, train=False)
