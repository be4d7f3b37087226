"""How batches come to the replicas of a trainer."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer


@pytest.mark.parametrize(
    ("devices", "is_plain"),
    [
        (["cpu:0"], True),
        (["cpu:0", "cpu:1"], False),
        (["gpu:0"], True),
        (["gpu:0", "gpu:1"], False),
    ],
)
def test_batches_stay_on_the_host(devices: list[str], is_plain: bool) -> None:
    """What copies them to devices would make each new run wait for the iterator of the last."""
    build_strategy(parse_device("cpu:2"))  # so that there are two
    one, several = tf.distribute.OneDeviceStrategy, tf.distribute.MirroredStrategy
    trainer = object.__new__(ElectraTrainer)
    trainer._strategy = strategy = one(*devices) if len(devices) == 1 else several(devices)
    dataset = tf.data.Dataset.range(4).batch(2)
    found = trainer.distribute_dataset(lambda: dataset)
    assert (found is dataset) == is_plain
    batches = [strategy.experimental_local_results(batch) for batch in found]
    assert {tensor.device[-5:] for batch in batches for tensor in batch} <= {"CPU:0", "CPU:1"}
    assert [part.numpy().tolist() for batch in batches for part in batch] == [[0, 1], [2, 3]]
