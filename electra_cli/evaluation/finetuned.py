"""A fine-tuned model over labelled data, in float32."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf
from official.core import config_definitions as cfg
from official.modeling import performance

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.evaluation.labelled import LabelledData
from electra_cli.interop.restore import restore
from electra_cli.metrics.names import finite
from electra_cli.modeling.architecture import Architecture
from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.sources.finetuned import Finetuned
from electra_cli.tasks.finetune import FinetuneTask, FinetuneTaskConfig, LabelledDataConfig
from electra_cli.tasks.traces import gradients_forgotten
from electra_cli.training.devices.machine import resolve_xla, share_cores
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.peers import failures_named
from electra_cli.training.loop.trainer import ElectraTrainer


@dataclass(frozen=True)
class EvaluatedFinetuned:
    """The scores of a fine-tuned model.

    Attributes:
      model: Which.
      examples: How many were scored.
      metrics: By name, in the order to show them.
    """

    model: Finetuned
    examples: int
    metrics: dict[str, float | None]


def evaluate_finetuned(
    data: Sequence[LabelledData],
    *,
    device: str = "auto",
    share: bool = False,
    warn: Callable[[str], object] = lambda text: None,
    worker: Worker = ALONE,
) -> list[EvaluatedFinetuned]:
    """Scores models.

    Args:
      data: What `labelled_data` read for each.
      device: As in `pretrain`.
      share: As in `evaluate`.
      warn: As in `evaluate`.
      worker: As in `evaluate`.

    Raises:
      TryAgainError: Another worker was lost, or another process uses the GPU.
    """
    performance.set_mixed_precision_policy("float32")
    with failures_named(worker, lambda: "in the evaluation"):
        devices = parse_device(device)
        # Those of the fine-tuning: products of other numbers of rows may end in another last digit.
        lanes = [share_cores(devices, one.model.config, worker.cluster) for one in data]
        strategy = build_strategy(devices, worker=worker, share=share, warn=warn)
        found = []
        for one, own_lanes in zip(data, lanes, strict=True):
            gc.collect()  # the former model goes before there is another
            with gradients_forgotten():
                found.append(_evaluate(one, strategy, worker, own_lanes))
        return found


def _evaluate(
    data: LabelledData, strategy: tf.distribute.Strategy, worker: Worker, lanes: int
) -> EvaluatedFinetuned:
    model, name = data.model, data.split.name
    experiment = cfg.ExperimentConfig(
        task=FinetuneTaskConfig(
            validation_data=LabelledDataConfig(
                split=name, global_batch_size=model.config.train.batch_size, is_training=False
            )
        ),
        runtime=cfg.RuntimeConfig(enable_xla=resolve_xla(model.config.runtime.xla, strategy)),
    )
    with strategy.scope():
        finetune = FinetuneTask(
            experiment.task,
            config=model.config,
            architecture=Architecture.of(model.sizes),
            head=model.head,
            rows={name: data.encoded.rows},
            score=data.score,
            lanes=lanes,
        )
        trainer = ElectraTrainer(
            experiment, finetune, finetune.build_model(), ElectraAdamW(), train=False
        )
    restore(
        tf.train.Checkpoint(model=trainer.model),
        model.checkpoint.prefix,
        hint="choose another run of the fine-tuning",
    )
    metrics = worker.of_chief("metrics", finite(trainer.held_out_metrics()))
    return EvaluatedFinetuned(model, len(data.split.examples), metrics)
