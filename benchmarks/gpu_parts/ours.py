"""Our side of benchmarks/gpu.py: a process with TensorFlow that keeps what it has compiled."""

from __future__ import annotations

import ctypes
import gc
import glob
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from electra_cli.environment import prepare_tensorflow

prepare_tensorflow()

import input_pipeline  # noqa: E402
import tensorflow as tf  # noqa: E402

from electra_cli.config.schema import Config  # noqa: E402
from electra_cli.corpus.shards.manifest import load_manifest  # noqa: E402
from electra_cli.modeling.architecture import Architecture  # noqa: E402
from electra_cli.modeling.budget import budget_of  # noqa: E402
from electra_cli.training.devices.strategy import build_strategy, parse_device  # noqa: E402
from electra_cli.training.loop.trainer import ElectraTrainer  # noqa: E402
from gpu_parts import golden, planes  # noqa: E402
from gpu_parts.training import build_trainer  # noqa: E402

_HELD = 2  # trainings that stay prepared
_LIBRARIES = ("libcu", "libnv", "libnccl")


class Again:
    """An iterator without an end.

    Args:
      batch: What it gives.
    """

    def __init__(self, batch: dict[str, tf.Tensor]) -> None:
        self._batch = batch

    def __next__(self) -> dict[str, tf.Tensor]:
        return self._batch


class Prepared:
    """A training and its step, over and over on one batch that lies on the device.

    Args:
      trainer: What trains.
      device: Name of its device.
    """

    def __init__(self, trainer: ElectraTrainer, device: str) -> None:
        self.trainer = trainer
        with tf.device("/cpu:0"):
            batch = next(iter(trainer.task.build_inputs(trainer.config.task.train_data)))
        with tf.device(device):
            self._again = Again({name: tf.identity(value) for name, value in batch.items()})
        self._loop = trainer.create_train_loop_fn()  # the one of a run

    def trace(self) -> float:
        """Seconds it takes TensorFlow to trace the loop."""
        started = time.perf_counter()
        self._loop.get_concrete_function(self._again, tf.TensorSpec([], tf.int32))
        return time.perf_counter() - started

    def run(self, steps: int) -> tuple[float, dict[str, float]]:
        """Seconds of some steps, and the logs of the last one."""
        started = time.perf_counter()
        self.trainer.train_loop_begin()
        self._loop(self._again, tf.constant(steps))
        logs = self.trainer.train_loop_end()  # waits for the device
        return time.perf_counter() - started, logs


class Ours:
    """What can be asked.

    Args:
      device: cpu or gpu.
    """

    def __init__(self, device: str) -> None:
        # The other side's process is on the same card.
        self._strategy = build_strategy(parse_device(device), share=True)
        self._device: str = self._strategy.extended.worker_devices[0]
        self._on_gpu = device == "gpu"
        self._held: dict[str, tuple[Prepared, int]] = {}

    # -- what there is ---------------------------------------------------------------------------

    def environment(self, size: int) -> dict[str, Any]:
        """Versions, rates of products of [size, size] and of memory, and what was loaded for it."""
        build = tf.sysconfig.get_build_info()
        rates = {"bfloat16": self._rate(size, tf.bfloat16), "float32": self._rate(size, tf.float32)}
        if self._on_gpu:
            tf.config.experimental.enable_tensor_float_32_execution(True)
            rates["tf32"] = self._rate(size, tf.float32)
            tf.config.experimental.enable_tensor_float_32_execution(False)
        gpus = tf.config.list_physical_devices("GPU")
        return {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "cpus": os.cpu_count(),
            "built_for": {key: build.get(key) for key in ("cuda_version", "cudnn_version")},
            "gpus": [
                {key: str(value) for key, value in details.items()}
                for details in map(tf.config.experimental.get_device_details, gpus)
            ],
            "matmul_flops": rates,
            "memory_bytes_per_second": self._copy_rate(2**28 if self._on_gpu else 2**22),
            "libraries": loaded_libraries(),
        }

    def _rate(self, size: int, dtype: tf.DType) -> float:
        """FLOP a second on random values; constant ones use less power and are faster."""
        with tf.device(self._device):
            left, right = (tf.cast(tf.random.normal([size, size]), dtype) for _ in range(2))
            best = self._best(lambda: tf.matmul(left, right))
        return 2 * size**3 / best

    def _copy_rate(self, count: int) -> float:
        """Bytes a second, read and written."""
        with tf.device(self._device):
            values = tf.random.normal([count])
            best = self._best(lambda: values + 1.0)
        return 2 * 4 * count / best

    def _best(self, call: Callable[[], tf.Tensor], repeats: int = 10) -> float:
        best = float("inf")
        for _ in range(4):  # the first one prepares the kernel
            started = time.perf_counter()
            for _ in range(repeats):
                found = call()
            tf.reshape(found, [-1])[0].numpy()  # kernels run in order
            best = min(best, (time.perf_counter() - started) / repeats)
        return best

    # -- right -----------------------------------------------------------------------------------

    def golden(self, case: str, folder: str) -> dict[str, Any]:
        """A recorded case in both number formats; writes what the other side needs to a folder."""
        return golden.measure(case, Path(folder), device=self._device)

    # -- fast ------------------------------------------------------------------------------------

    def prepare(self, name: str, job: dict[str, Any], data: str, precision: str) -> dict[str, Any]:
        """Builds, traces, compiles and takes three steps.

        Args:
          name: For `run` and `profile`.
          job: A configuration, as `Size.job` has it.
          data: A prepared folder.
          precision: Compute type.
        """
        while len(self._held) >= _HELD:
            self._held.pop(next(iter(self._held)))
        gc.collect()
        others = self._memory("current") if self._on_gpu else 0
        started = time.perf_counter()
        known = {key: value for key, value in job.items() if key in Config.model_fields}
        config = Config.model_validate(known)
        trainer = build_trainer(config, Path(data), strategy=self._strategy, precision=precision)
        prepared = Prepared(trainer, self._device)
        built = time.perf_counter() - started
        traced = prepared.trace()
        compiled, logs = prepared.run(1)
        second, _ = prepared.run(1)
        self._held[name] = prepared, others
        return {
            "precision": precision,
            "parameters": sum(int(np.prod(v.shape)) for v in trainer.model.trainable_variables),
            "build_seconds": built,
            "trace_seconds": traced,
            "compile_seconds": compiled - second,
            "first_step_seconds": built + traced + compiled,
            "early_loss": logs["total_loss"],
            "flops_per_token": budget_of(trainer.task._settings).flops_per_token,
        }

    def run(self, name: str, steps: int) -> dict[str, Any]:
        """Times steps over the batch that lies on the device."""
        prepared, others = self._held[name]
        if self._on_gpu:  # what compilation has tried out does not count
            tf.config.experimental.reset_memory_stats(self._gpu)
        seconds, logs = prepared.run(steps)
        memory = self._memory("peak") - others
        return {"seconds": seconds, "loss": logs["total_loss"], "memory_bytes": memory}

    @property
    def _gpu(self) -> str:
        return f"GPU:{tf.DeviceSpec.from_string(self._device).device_index}"

    def _memory(self, which: str) -> int:
        """What tensors have (current) or had at most (peak); of the process on a CPU."""
        if self._on_gpu:
            return int(tf.config.experimental.get_memory_info(self._gpu)[which])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def holds(self, name: str) -> bool:
        """Whether a training is prepared."""
        return name in self._held

    # -- where the time goes ---------------------------------------------------------------------

    def profile(self, name: str, steps: int) -> dict[str, Any]:
        """The kernels of some steps."""
        prepared, _ = self._held[name]
        config = prepared.trainer.task._settings
        sizes = planes.Sizes(
            batch=config.train.batch_size,
            heads=tuple(network.heads for network in Architecture.of(config).networks),
            length=config.data.sequence_length,
            masked=config.max_predictions,
            vocabulary=config.model.vocab_size,
        )
        prepared.run(1)
        with tempfile.TemporaryDirectory() as folder:
            tf.profiler.experimental.start(folder)
            try:
                seconds, _ = prepared.run(steps)
            finally:
                tf.profiler.experimental.stop()
            (file,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)  # noqa: PTH207
            space = planes.read(file)
        found = planes.summary(space, sizes, steps=steps, on_gpu=self._on_gpu)
        return {"traced_step_seconds": seconds / steps, **found}

    def pipeline(self, data: str, batch: int, seconds: float) -> dict[str, float]:
        """Rows a second from shards to batches, without a model; masks are the step's."""
        with tf.device("/cpu:0"):
            run = input_pipeline.loops(load_manifest(Path(data)), batch, "token")["rows only"]
            rates = input_pipeline.rows_per_second(run, batch, seconds)
        return {"min": min(rates), "median": sorted(rates)[len(rates) // 2], "max": max(rates)}


def loaded_libraries() -> dict[str, str]:
    """CUDA's libraries in this process, each with its version if it tells it."""
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        return {}
    files = {line.split()[-1] for line in maps.read_text().splitlines() if "/" in line}
    known = sorted(f for f in files if Path(f).name.startswith(_LIBRARIES))
    return {file: _version(file) for file in known}


# Of a library the function that tells its version, and whether it takes which part of it first.
_VERSIONS = {
    "libcublas": ("cublasGetProperty", True),
    "libcufft": ("cufftGetProperty", True),
    "libcusolver": ("cusolverGetProperty", True),
    "libcusparse": ("cusparseGetProperty", True),
    "libcudart": ("cudaRuntimeGetVersion", False),
    "libcuda": ("cuDriverGetVersion", False),
}


def _version(file: str) -> str:
    name = Path(file).name.split(".")[0]
    if name not in _VERSIONS:
        return ""
    call, by_part = _VERSIONS[name]
    number, numbers = ctypes.c_int(), []
    try:
        function = getattr(ctypes.CDLL(file), call)
        for part in range(3 if by_part else 1):
            function(*([part] if by_part else []), ctypes.byref(number))
            numbers.append(str(number.value))
    except (OSError, AttributeError):
        return ""
    return ".".join(numbers)


def start(device: str) -> dict[str, Any]:
    """The functions that can be asked."""
    ours = Ours(device)
    names = ("environment", "golden", "prepare", "run", "holds", "profile", "pipeline")
    return {name: getattr(ours, name) for name in names}
