"""Trainers of a very small model, without a command around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.modeling import performance

from electra_cli.config.schema import Config
from electra_cli.config.yaml_core import parse_scalar
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import innermost
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose
from tests.conftest import SMALL


def configuration(**values: Any) -> Config:
    """SMALL, without dropout, and with the masking that has the most to it."""
    shrunk = {key: parse_scalar(text) for key, _, text in (s.partition("=") for s in SMALL)}
    fixed = {
        "model.hidden_dropout": 0.0,
        "model.attention_dropout": 0.0,
        "objective.masking": "span",
    }
    return Config().replaced(shrunk | fixed | values)


def build(
    data: Path,
    *,
    precision: str = "float32",
    device: str = "cpu",
    xla: bool = False,
    lanes: int = 1,
    **values: Any,
) -> ElectraTrainer:
    """A trainer at step 0; the keys of `values` are those of the configuration."""
    manifest = load_manifest(data)
    strategy = build_strategy(parse_device(device))
    experiment = compose(
        configuration(**{"model.vocab_size": manifest.vocab.size} | values),
        manifest,
        data=data,
        precision=precision,
        replicas=strategy.num_replicas_in_sync,
        xla=xla,
        lanes=lanes,
    )
    performance.set_mixed_precision_policy(precision)
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task)
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config, experiment.runtime)
        return ElectraTrainer(experiment, task, task.build_model(), optimizer)


def train(trainer: ElectraTrainer, steps: int) -> dict[str, float]:
    """Trains some steps as one loop and returns the logs of the last."""
    return dict(trainer.train(tf.constant(steps)))


def state(trainer: ElectraTrainer) -> dict[str, np.ndarray]:
    """Weights, slots and averages by name."""
    weights = trainer.model.trainable_variables
    inner = innermost(trainer.optimizer)
    found = {v.name: v.numpy() for v in weights}
    found |= {f"{v.name} {s}": inner.get_slot(v, s).numpy() for v in weights for s in ("m", "v")}
    if isinstance(trainer.optimizer, WeightAverage):
        found |= {
            f"{v.name} average": trainer.optimizer.get_slot(v, "average").numpy() for v in weights
        }
    return found
