"""What the machine can do: number formats in hardware, matmul peak, memory used."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import tensorflow as tf

from electra_cli.config.schema import Precision
from electra_cli.modeling.budget import Compute


def resolve_precision(wanted: Precision, strategy: tf.distribute.Strategy) -> Compute:
    """Turns "auto" into bfloat16 where the hardware multiplies it, else into float32."""
    if wanted != "auto":
        return wanted
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "bfloat16"
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    if device.device_type == "GPU":
        gpu = tf.config.list_physical_devices("GPU")[device.device_index]
        details = tf.config.experimental.get_device_details(gpu)
        return "bfloat16" if details.get("compute_capability", (0, 0)) >= (8, 0) else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "float32"


def resolve_xla(wanted: bool | None, strategy: tf.distribute.Strategy) -> bool:
    """Turns None into True on a GPU; compiled as a whole, a CPU's step is slower (ADR 4)."""
    if wanted is not None:
        return wanted
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    return device.device_type == "GPU"


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def matmul_peak(precision: str, strategy: tf.distribute.Strategy) -> float:
    """Measures the best rate of a large square matmul; about a second on a CPU.

    Args:
      precision: The type of the matmul.
      strategy: Virtual CPU replicas share one CPU; other devices count one by one.

    Returns:
      FLOP per second over all devices.
    """
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    on_cpu = device.device_type == "CPU"
    # Small enough that float16, which CPUs emulate, does not take minutes.
    size = 8192 if not on_cpu else 512 if precision == "float16" else 2048
    repeats = 3
    with tf.device(strategy.extended.worker_devices[0]):
        left = tf.ones([size, size], precision)

        @tf.function
        def multiply() -> tf.Tensor:
            return tf.reduce_sum(tf.cast(tf.matmul(left, left)[:1, :1], tf.float32))

        multiply().numpy()
        best = float("inf")
        for _ in range(repeats):
            started = time.perf_counter()
            multiply().numpy()
            best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best * (1 if on_cpu else strategy.num_replicas_in_sync)


def peak_memory(strategy: tf.distribute.Strategy) -> int:
    """The most memory used so far in bytes: of the process on a CPU, of the device elsewhere."""
    device = tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])
    if device.device_type == "GPU":
        info = tf.config.experimental.get_memory_info(f"GPU:{device.device_index}")
        return int(info["peak"])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
