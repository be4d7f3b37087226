"""What the machine can do: number formats in hardware, matmul peak, memory used."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from electra_cli.cluster.addresses import Cluster, split_address
from electra_cli.config.choices import Precision
from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.rules.batches import stretches
from electra_cli.config.schema import Config
from electra_cli.environment import cpu_flags
from electra_cli.modeling.budget import Compute
from electra_cli.training.devices.gpus import logical_gpus
from electra_cli.training.devices.strategy import Device

_ROWS_A_LANE = 4  # with fewer, matrix products are too small


def device_of(strategy: tf.distribute.Strategy) -> tf.DeviceSpec:
    """The device of the first replica here; the others are of the same kind."""
    return tf.DeviceSpec.from_string(strategy.extended.worker_devices[0])


def resolve_precision(wanted: Precision, strategy: tf.distribute.Strategy) -> Compute:
    """Turns "auto" into bfloat16 where the hardware multiplies it, else into float32."""
    if wanted != "auto":
        return wanted
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "bfloat16"
    device = device_of(strategy)
    if device.device_type == "GPU":
        gpu, _ = logical_gpus(tf.config.get_visible_devices("GPU"))[device.device_index]
        details = tf.config.experimental.get_device_details(gpu)
        return "bfloat16" if details.get("compute_capability", (0, 0)) >= (8, 0) else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & cpu_flags() else "float32"


def resolve_xla(wanted: bool | None, strategy: tf.distribute.Strategy) -> bool:
    """Turns None into True on a GPU; compiled as a whole, a CPU's step is slower (ADR 4)."""
    if wanted is not None:
        return wanted
    return device_of(strategy).device_type == "GPU"


def share_cores(
    device: Device, config: Config | FinetuneConfig, cluster: Cluster | None = None
) -> int:
    """Decides into how many lanes a CPU's cores are shared, and gives TensorFlow its threads.

    Each lane computes a part of every micro-batch, one operation on one thread, and cores that are
    left help all of them. That uses the cores better than splitting each operation: the compiled
    pieces hardly gain from a second thread. To be called before anything runs on TensorFlow; in a
    process where something has, the threads stay as they are.

    Args:
      device: What `--device` asks for.
      config: The configuration.
      cluster: The workers among which the batch is divided, and on each machine the cores; None for
        one.

    Returns:
      The number of lanes; 1 where a replica is not alone on the CPU, or compiled as a whole.
    """
    on_gpu = device.kind == "auto" and bool(tf.config.list_physical_devices("GPU"))
    if device.kind not in ("auto", "cpu") or device.replicas not in (None, 1) or on_gpu:
        return 1
    if config.runtime.xla:
        return 1
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    hosts = [split_address(address)[0] for address in cluster.addresses] if cluster else [""]
    cores = max(1, (found or 1) // hosts.count(hosts[cluster.index if cluster else 0]))
    sizes = [one.rows for one in stretches(config.train)]
    rows = [size // config.train.accumulation_steps // len(hosts) for size in sizes]
    fitting = (
        n
        for n in range(1, cores + 1)
        if max(rows) >= _ROWS_A_LANE * n and not any(of_part % n for of_part in rows)
    )
    lanes = max(fitting, default=1)
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(cores - lanes + 1)
        tf.config.threading.set_inter_op_parallelism_threads(lanes)
    return lanes


def matmul_peak(
    precision: str,
    strategy: tf.distribute.Strategy,
    *,
    replicas: int | None = None,
    workers: int = 1,
) -> float:
    """Measures the best rate of large square matmuls; about a second on a CPU.

    As many at once as operations may run at once, so that all cores are busy.

    Args:
      precision: The type of the matmul.
      strategy: Virtual CPU replicas share one CPU; other devices count one by one.
      replicas: Those of all workers; the strategy's by default.
      workers: How many there are, each with such devices.

    Returns:
      FLOP per second over all devices.
    """
    on_cpu = device_of(strategy).device_type == "CPU"
    # Small enough that float16, which CPUs emulate, does not take minutes.
    size = 8192 if not on_cpu else 512 if precision == "float16" else 2048
    repeats = 3
    at_once = tf.config.threading.get_inter_op_parallelism_threads() if on_cpu else 1
    at_once = max(at_once, 1)  # 0: TensorFlow decides
    with tf.device(strategy.extended.worker_devices[0]):
        # Random, since a GPU multiplies ones faster than it multiplies what networks have.
        factor = tf.random.stateless_normal([size, size], [0, 0], dtype=precision, alg="philox")
        factors = [factor] * at_once

        def multiply(factor: tf.Tensor) -> None:
            with tf.device(factor.device):
                tf.cast(tf.matmul(factor, factor)[0, 0], tf.float32).numpy()

        with ThreadPoolExecutor(at_once) as pool:  # a graph may put one product behind the other
            best = float("inf")
            for _ in range(1 + repeats):  # the first one prepares the kernel
                started = time.perf_counter()
                list(pool.map(multiply, factors))
                best = min(best, time.perf_counter() - started)
    devices = workers if on_cpu else replicas or strategy.num_replicas_in_sync
    return at_once * 2 * size**3 / best * devices


def peak_memory(strategy: tf.distribute.Strategy) -> int:
    """The most memory used so far in bytes: of the process on a CPU, of the device elsewhere."""
    device = device_of(strategy)
    if device.device_type == "GPU":
        info = tf.config.experimental.get_memory_info(f"GPU:{device.device_index}")
        return int(info["peak"])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
