"""From `--device` to a tf.distribute strategy.

The text is understood without TensorFlow, so that a mistake in it costs no start-up time; only
`build_strategy` looks at the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electra_cli.cluster.acts import ALONE
from electra_cli.cluster.member import Worker
from electra_cli.config.nearest import nearest
from electra_cli.environment import may_have_card
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.training.devices.claim import claim_cards, each_once
from electra_cli.training.devices.gpus import logical_gpus, see_only
from electra_cli.training.devices.reasons import why_no_gpu

if TYPE_CHECKING:
    import tensorflow as tf

_KINDS = ("auto", "cpu", "gpu", "mirrored", "tpu")
_CONNECTING = 60.0  # seconds; all trainers are there by then
# As nvidia-smi -L prints them, or the beginning of that.
_NAME = r"(?i:GPU|MIG)-[0-9A-Za-z][-/0-9A-Za-z]*"
_FORMS = "auto, cpu, cpu:N, gpu, gpu:I[,J…], gpu:GPU-…, gpu:MIG-…, mirrored or tpu"


@dataclass(frozen=True)
class Device:
    """What `--device` asks for.

    Attributes:
      text: As the user wrote it.
      kind: auto, cpu, gpu, mirrored or tpu.
      numbers: For cpu the number of virtual replicas, for gpu the indices among those that
        CUDA_VISIBLE_DEVICES shows; else empty.
      names: Cards by their own names, which then are the only ones; or the beginnings of these.
    """

    text: str
    kind: str
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def replicas(self) -> int | None:
        """How many replicas there will be; None where the machine decides."""
        if self.kind == "cpu":
            return self.numbers[0] if self.numbers else 1
        if self.kind == "gpu":
            return len(self.numbers) or 1
        return None

    def gpus(self, found: int) -> tuple[int, ...]:
        """The indices of the GPUs that it asks for, of so many that were found."""
        if self.kind == "gpu":
            return self.numbers or (0,)
        if self.kind == "mirrored":
            return tuple(range(max(1, found)))
        return tuple(range(found)) if self.kind == "auto" else ()

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
        indices = each_once(text, [str(int(index)) for index in match[1].split(",")])
        return Device(text, "gpu", tuple(map(int, indices)))
    if match := re.fullmatch(rf"gpu:({_NAME}(?:,{_NAME})*)", text):
        parts = [name[:3].upper() + name[3:] for name in match[1].split(",")]
        names = each_once(text, parts)
        return Device(text, "gpu", tuple(range(len(names))), names)
    kind, colon, numbers = text.partition(":")
    near = nearest(kind, _KINDS)
    hint = f"did you mean --device {near}{colon}{numbers}? " if near not in (None, kind) else ""
    raise ConfigError(f"unknown device {text!r}", hint=f"{hint}--device takes {_FORMS}")


def build_strategy(
    device: Device,
    *,
    worker: Worker = ALONE,
    share: bool = False,
    tf32: bool = False,
    warn: Callable[[str], object] = lambda text: None,
) -> tf.distribute.Strategy:
    """Makes the strategy, and leaves all other GPUs alone.

    Args:
      device: What `--device` asks for.
      worker: Which of several workers this is, as TF_CONFIG has it. It waits for the others, but
        not for ever.
      share: Also use GPUs that other processes compute on.
      tf32: Whether GPUs may round the factors of float32 products to TF32. Everything that is
        traced from now on obeys.
      warn: Hears that `auto` means the CPU although there seems to be a card.

    Raises:
      ConfigError: A device that is not there; the message lists those that are, or says why there
        is no GPU.
      TryAgainError: Another process uses the GPU, or the worker's port is taken.
    """
    import tensorflow as tf

    if device.kind == "tpu":
        return _tpu_strategy()
    if device.kind != "cpu":
        claim_cards(device, share=share)
    gpus = logical_gpus(tf.config.list_physical_devices("GPU"))
    wanted = device.gpus(len(gpus))
    _check_there(device, wanted, len(gpus))
    used = [gpus[index] for index in wanted]
    names = see_only(used)
    if used:
        tf.config.experimental.enable_tensor_float_32_execution(tf32)
    elif device.kind == "auto" and may_have_card(os.environ):
        why = why_no_gpu()
        warn(f"TensorFlow finds no GPU, and the CPU is used: {why.found}; {why.advice}")
    if not worker.is_alone:
        return _worker_strategy(worker)
    if not used:
        return _cpu_strategy(device.replicas if device.kind == "cpu" else 1)
    if len(used) == 1:
        return tf.distribute.OneDeviceStrategy(names[0])
    return tf.distribute.MirroredStrategy(names)


def _check_there(device: Device, wanted: Sequence[int], found: int) -> None:
    missing = [index for index in wanted if index >= found]
    if not missing:
        return
    if not found:
        why = why_no_gpu()
        advice = f"{why.advice}; or " if why.advice else ""
        raise ConfigError(
            f"device {device.text!r}: TensorFlow finds no GPU: {why.found}",
            hint=f"{advice}--device cpu; electra doctor says more",
        )
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    within = "this machine" if shown is None else f"CUDA_VISIBLE_DEVICES={shown!r}"
    there = [*(f"gpu:{index}" for index in range(found)), "cpu", "cpu:N"]
    raise ConfigError(
        f"device {device.text!r}: {within} has no gpu:{missing[0]}; it has {', '.join(there)}",
        hint=f"--device {there[0]}",
    )


def _worker_strategy(worker: Worker) -> tf.distribute.Strategy:
    """That of a worker of a cluster, which takes all GPUs that it can see, or else the CPU."""
    import tensorflow as tf

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
