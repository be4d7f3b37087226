"""A process of its own: the same training on one virtual device and on two of one card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from electra_cli.environment import prepare_tensorflow

prepare_tensorflow()

import tensorflow as tf  # noqa: E402

from electra_cli.config.schema import Config  # noqa: E402
from electra_cli.training.devices.strategy import build_strategy, parse_device  # noqa: E402
from gpu_parts.errors import relative  # noqa: E402
from gpu_parts.training import build_trainer  # noqa: E402

_MIB = 4096  # of each half of a card


def compare(device: str, job: dict[str, Any], data: str, steps: int) -> dict[str, Any]:
    """Trains in float32, first on one device and then on two.

    Args:
      device: cpu or gpu.
      job: A configuration, as `job_of` has it.
      data: A prepared folder.
      steps: Updates.

    Returns:
      The largest relative difference of a loss, and that of all weights as one vector.
    """
    if device == "gpu":
        card = tf.config.list_physical_devices("GPU")[0]
        half = tf.config.LogicalDeviceConfiguration(memory_limit=_MIB)
        tf.config.set_logical_device_configuration(card, [half, half])
        names = ("gpu:0", "gpu:0,1")
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        virtual = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [virtual, virtual])
        names = ("cpu", "cpu:2")
    config = Config.model_validate({k: v for k, v in job.items() if k in Config.model_fields})
    logs, weights, replicas = [], [], []
    for name in names:
        strategy = build_strategy(parse_device(name), share=True)
        trainer = build_trainer(config, Path(data), strategy=strategy, precision="float32")
        logs.append([trainer.train(tf.constant(1)) for _ in range(steps)])
        found = [variable.numpy().ravel() for variable in trainer.model.trainable_variables]
        weights.append(np.concatenate(found))
        replicas.append(strategy.num_replicas_in_sync)
    losses = max(
        abs(one[name] / two[name] - 1.0)
        for one, two in zip(*logs, strict=True)
        for name in trainer.task.losses
    )
    return {"replicas": replicas, "losses": losses, "weights": relative(weights[1], weights[0])}


def start(device: str) -> dict[str, Any]:
    """The functions that can be asked."""
    return {"compare": lambda **arguments: compare(device, **arguments)}
