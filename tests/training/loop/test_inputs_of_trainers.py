"""How batches come to the replicas of a trainer."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("replicas", [1, 2])
def test_batches_are_not_sent_ahead(kind: str, replicas: int) -> None:
    """What copies them to devices would make each new run wait for the iterator of the last."""
    build_strategy(parse_device("cpu:2"))  # so that there are two
    devices = [f"{kind}:{n}" for n in range(replicas)]
    one, several = tf.distribute.OneDeviceStrategy, tf.distribute.MirroredStrategy
    trainer = object.__new__(ElectraTrainer)
    trainer._strategy = strategy = one(*devices) if replicas == 1 else several(devices)
    dataset = tf.data.Dataset.range(4).batch(2)
    found = trainer.distribute_dataset(lambda: dataset)
    assert (found is dataset) == (replicas == 1)
    if kind == "gpu" and replicas > 1:
        assert found._options.experimental_fetch_to_device is False  # without a card all is here
    batches = [strategy.experimental_local_results(batch) for batch in found]
    assert [part.numpy().tolist() for batch in batches for part in batch] == [[0, 1], [2, 3]]
