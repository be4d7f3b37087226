"""From `--device` to a tf.distribute strategy.

The text is understood without TensorFlow, so that a mistake in it costs no start-up time; only
`build_strategy` looks at the machine.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electra_cli.config.nearest import nearest
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

_KINDS = ("auto", "cpu", "gpu", "mirrored", "multi-worker", "tpu")
_FORMS = "auto, cpu, cpu:N, gpu, gpu:I[,J…], mirrored, multi-worker or tpu"


@dataclass(frozen=True)
class Device:
    """What `--device` asks for.

    Attributes:
      text: As the user wrote it.
      kind: auto, cpu, gpu, mirrored, multi-worker or tpu.
      numbers: For cpu the number of virtual replicas, for gpu the indices; else empty.
    """

    text: str
    kind: str
    numbers: tuple[int, ...] = ()

    @property
    def replicas(self) -> int | None:
        """How many replicas there will be; None where the machine decides."""
        if self.kind == "cpu":
            return self.numbers[0] if self.numbers else 1
        if self.kind == "gpu":
            return len(self.numbers) or 1
        return None


def parse_device(text: str) -> Device:
    """Reads the value of `--device`.

    Raises:
      ConfigError: It has none of the forms, or asks for multi-worker without TF_CONFIG.
    """
    if text == "multi-worker":
        check_cluster(os.environ.get("TF_CONFIG", ""))
    if text in _KINDS:
        return Device(text, text)
    if match := re.fullmatch(r"cpu:(\d+)", text):
        if int(match[1]) < 1:
            raise ConfigError(f"device {text!r}: at least one replica", hint="--device cpu:2")
        return Device(text, "cpu", (int(match[1]),))
    if match := re.fullmatch(r"gpu:(\d+(?:,\d+)*)", text):
        indices = tuple(int(part) for part in match[1].split(","))
        if len(set(indices)) < len(indices):
            once = ",".join(str(index) for index in dict.fromkeys(indices))
            raise ConfigError(f"device {text!r} names a GPU twice", hint=f"--device gpu:{once}")
        return Device(text, "gpu", indices)
    kind, colon, numbers = text.partition(":")
    near = nearest(kind, _KINDS)
    hint = f"did you mean --device {near}{colon}{numbers}? " if near else ""
    raise ConfigError(f"unknown device {text!r}", hint=f"{hint}--device takes {_FORMS}")


def check_cluster(text: str) -> None:
    """Checks the value of TF_CONFIG.

    Raises:
      ConfigError: It is empty, or names no worker and task.
    """
    hint = 'TF_CONFIG=\'{"cluster": {"worker": ["host:port", …]}, "task": {…}}\' on every worker'
    if not text:
        raise ConfigError("device multi-worker needs the variable TF_CONFIG", hint=hint)
    try:
        found = json.loads(text)
        valid = bool(found["cluster"]["worker"]) and found["task"]["index"] >= 0
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"TF_CONFIG cannot be understood: {error!r}", hint=hint) from error
    if not valid:
        raise ConfigError("TF_CONFIG names no worker", hint=hint)


def build_strategy(device: Device) -> tf.distribute.Strategy:
    """Makes the strategy.

    Raises:
      ConfigError: A device that is not there; the message lists those that are.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    kind = device.kind
    if kind == "auto":
        kind = "mirrored" if len(gpus) > 1 else "gpu" if gpus else "cpu"
    if kind == "cpu":
        return _cpu_strategy(device.replicas if device.kind == "cpu" else 1)
    if kind == "tpu":
        return _tpu_strategy()
    if kind == "multi-worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    wanted = device.numbers or tuple(range(len(gpus))) if kind == "mirrored" else device.numbers
    wanted = wanted or (0,)
    missing = [index for index in wanted if index >= len(gpus)]
    if missing:
        there = [*(f"gpu:{index}" for index in range(len(gpus))), "cpu", "cpu:N"]
        raise ConfigError(
            f"device {device.text!r}: this machine has no gpu:{missing[0]}; "
            f"it has {', '.join(there)}",
            hint=f"--device {there[0]}",
        )
    if len(wanted) == 1:
        return tf.distribute.OneDeviceStrategy(f"/gpu:{wanted[0]}")
    return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in wanted])


def _cpu_strategy(replicas: int | None) -> tf.distribute.Strategy:
    import tensorflow as tf

    if replicas in (None, 1):
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    cpu = tf.config.list_physical_devices("CPU")[0]
    configured = tf.config.get_logical_device_configuration(cpu)
    if configured is None or len(configured) < replicas:
        virtual = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
        try:
            tf.config.set_logical_device_configuration(cpu, virtual)
        except RuntimeError as error:
            raise ConfigError(
                f"device cpu:{replicas}: TensorFlow already runs with "
                f"{len(configured or [1])} virtual CPUs in this process",
                hint="start the command in a process of its own",
            ) from error
    return tf.distribute.MirroredStrategy(
        [f"/cpu:{index}" for index in range(replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def _tpu_strategy() -> tf.distribute.Strategy:
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        there = ", ".join(
            d.name.split(":", 1)[1].lower() for d in tf.config.list_physical_devices()
        )
        raise ConfigError(
            f"device 'tpu': no TPU was found ({str(error).splitlines()[0]}); there is {there}",
            hint="--device cpu",
        ) from error
    return tf.distribute.TPUStrategy(resolver)
