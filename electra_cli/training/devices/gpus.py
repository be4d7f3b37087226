"""GPUs as TensorFlow counts them: those that it sees, each as often as it was divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from electra_cli.errors import ConfigError, counted

if TYPE_CHECKING:
    import tensorflow as tf


def logical_gpus(
    gpus: Sequence[tf.config.PhysicalDevice],
) -> list[tuple[tf.config.PhysicalDevice, int]]:
    """GPUs as TensorFlow counts them: each as often as it was divided into virtual ones.

    Args:
      gpus: Those that it sees.

    Returns:
      At the index of each the card, and the number of the part.
    """
    import tensorflow as tf

    parts = tf.config.get_logical_device_configuration
    return [(gpu, part) for gpu in gpus for part in range(len(parts(gpu) or [gpu]))]


def see_only(used: Sequence[tuple[tf.config.PhysicalDevice, int]]) -> list[str]:
    """Hides all other GPUs, of which TensorFlow would take the memory too.

    Returns:
      The names of those that are used, as TensorFlow counts the ones it sees.

    Raises:
      ConfigError: TensorFlow already runs in this process, without one of them.
    """
    import tensorflow as tf

    # TensorFlow has them in the order of the machine, in whatever order they are given.
    alike = {gpu for gpu, _ in used}
    seen = [gpu for gpu in tf.config.list_physical_devices("GPU") if gpu in alike]
    try:
        tf.config.set_visible_devices(seen, "GPU")
    except RuntimeError:  # it already runs, in a process that has had a strategy before
        seen = tf.config.get_visible_devices("GPU")
    logical = logical_gpus(seen)
    if any(one not in logical for one in used):
        raise ConfigError(
            f"TensorFlow already runs with {counted(len(logical), 'GPU')} in this process",
            hint="start the command in a process of its own",
        )
    return [f"/gpu:{logical.index(one)}" for one in used]


def called(device: str) -> str:
    """What people call a device of a strategy: "CPU:0"; for a GPU its number and its kind.

    GPU:1 is "GPU 2 (NVIDIA L4)" if TensorFlow was told to see the cards 1 and 2 alone.
    """
    import tensorflow as tf

    spec = tf.DeviceSpec.from_string(device)
    if spec.device_type != "GPU":
        return f"{spec.device_type}:{spec.device_index}"
    card, _ = logical_gpus(tf.config.get_visible_devices("GPU"))[spec.device_index]
    name = tf.config.experimental.get_device_details(card).get("device_name")
    return f"GPU {card.name.rpartition(':')[2]}" + (f" ({name})" if name else "")
