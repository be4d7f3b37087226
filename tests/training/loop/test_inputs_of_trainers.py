"""How batches come to the replicas of a trainer."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer


@pytest.mark.parametrize(("device", "is_plain"), [("cpu", True), ("cpu:2", False)])
def test_one_cpu_reads_the_dataset_itself(device: str, is_plain: bool) -> None:
    """What copies batches to devices would make each new run wait for the iterator of the last."""
    trainer = object.__new__(ElectraTrainer)
    trainer._strategy = strategy = build_strategy(parse_device(device))
    dataset = tf.data.Dataset.range(4).batch(2)
    found = trainer.distribute_dataset(lambda: dataset)
    assert (found is dataset) == is_plain
    batches = [strategy.experimental_local_results(batch) for batch in found]
    assert [part.numpy().tolist() for batch in batches for part in batch] == [[0, 1], [2, 3]]
