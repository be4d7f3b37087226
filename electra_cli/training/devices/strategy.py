"""From `--device` to a tf.distribute strategy.

The text is understood without TensorFlow, so that a mistake in it costs no start-up time; only
`build_strategy` looks at the machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.config.nearest import nearest
from electra_cli.errors import ConfigError, TryAgainError

if TYPE_CHECKING:
    import tensorflow as tf

_KINDS = ("auto", "cpu", "gpu", "mirrored", "tpu")
_CONNECTING = 60.0  # seconds; all trainers are there by then
_FORMS = "auto, cpu, cpu:N, gpu, gpu:I[,J…], mirrored or tpu"


@dataclass(frozen=True)
class Device:
    """What `--device` asks for.

    Attributes:
      text: As the user wrote it.
      kind: auto, cpu, gpu, mirrored or tpu.
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

    def check_in_cluster(self) -> None:
        """Makes sure that a worker of a cluster can use it.

        Raises:
          ConfigError: It cannot.
        """
        if self.kind == "tpu":
            raise ConfigError(
                "device 'tpu' in a cluster: only workers with GPUs or CPUs train together",
                hint="--cluster none; a TPU of several hosts is one device",
            )
        if self.kind == "cpu" and self.replicas != 1:
            raise ConfigError(
                f"device {self.text!r} in a cluster: each worker has one replica on its CPU",
                hint="--device cpu, and more workers for more replicas",
            )


def parse_device(text: str) -> Device:
    """Reads the value of `--device`.

    Raises:
      ConfigError: It has none of the forms.
    """
    if text == "multi-worker":  # as it was called, also in configurations of runs
        raise ConfigError(
            "device 'multi-worker': what a worker uses and where the others are is said apart",
            hint="--device auto --cluster tf-config",
        )
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


def build_strategy(device: Device, *, worker: Worker = ALONE) -> tf.distribute.Strategy:
    """Makes the strategy.

    Args:
      device: What `--device` asks for.
      worker: Which of several workers this is, as TF_CONFIG has it. It waits for the others, but
        not for ever.

    Raises:
      ConfigError: A device that is not there; the message lists those that are.
      TryAgainError: The worker's port is taken.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    kind = device.kind
    if kind == "auto":
        kind = "mirrored" if len(gpus) > 1 else "gpu" if gpus else "cpu"
    if kind == "tpu":
        return _tpu_strategy()
    if kind == "cpu":
        if not worker.is_alone:
            return _worker_strategy([], worker)
        return _cpu_strategy(device.replicas if device.kind == "cpu" else 1)
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
    if not worker.is_alone:
        return _worker_strategy([gpus[index] for index in wanted], worker)
    if len(wanted) == 1:
        return tf.distribute.OneDeviceStrategy(f"/gpu:{wanted[0]}")
    return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in wanted])


def _worker_strategy(
    gpus: Sequence[tf.config.PhysicalDevice], worker: Worker
) -> tf.distribute.Strategy:
    """That of a worker of a cluster, which takes all GPUs that it can see, or else the CPU."""
    import tensorflow as tf

    tf.config.set_visible_devices(gpus, "GPU")
    worker.gather("connect", None)  # from here on none waits for one that is slow to begin
    worker.waiting_for(
        "the connections of TensorFlow",
        _CONNECTING,
        "all workers have to reach each other at their addresses, without a firewall or a proxy "
        "between them; then start all again",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.UnknownError as error:
        if "Could not start gRPC server" not in str(error):
            raise
        raise TryAgainError(
            f"this worker cannot listen at its address: {str(error).splitlines()[0]}",
            hint="find out who uses the port (ss -ltnp), or give the worker another one",
        ) from error
    finally:
        worker.waiting_for("the first step")


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
