"""`python -m electra_cli.doctor.measure SECONDS`: starts TensorFlow and multiplies matrices.

A process of its own, since TensorFlow may end the one it is in. Each line that it prints is a part
of the answer, written as soon as it is known: the last one tells how far it came.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from electra_cli.config.load import load_config
from electra_cli.environment import prepare_tensorflow


def _tell(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def measure(seconds: float) -> None:
    """Prints TensorFlow's version, its devices, and the rates of products one after the other.

    Args:
      seconds: How long matrices are multiplied; at least once.
    """
    started = time.perf_counter()
    prepare_tensorflow()
    import tensorflow as tf

    from electra_cli.training.devices import machine
    from electra_cli.training.devices.strategy import build_strategy, parse_device

    _tell(tensorflow=tf.__version__, import_seconds=time.perf_counter() - started)
    config = load_config(preset="tiny", environment=os.environ).config
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "?") for gpu in gpus]
    _tell(gpus=names)
    device = parse_device("gpu" if gpus else "cpu")  # one of them
    machine.share_cores(device, config)
    strategy = build_strategy(device, share=True)
    precision = machine.resolve_precision(config.runtime.precision, strategy)
    _tell(precision=precision)
    until = time.perf_counter() + seconds
    rates: list[float] = []
    while not rates or time.perf_counter() < until:
        rates.append(machine.matmul_peak(precision, strategy))
        _tell(rates=rates)


if __name__ == "__main__":
    measure(float(sys.argv[1]))
