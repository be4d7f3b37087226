"""How batches come to the replicas of a trainer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
from official.core import base_trainer
from official.core.config_definitions import ExperimentConfig

from electra_cli.config.rules.batches import stretches
from electra_cli.config.schema import Config
from electra_cli.config.sections import TrainConfig
from electra_cli.interop.task_config import ElectraTaskConfig
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.clock import Clock
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


class CountingTrainer(ElectraTrainer):
    """Trains nothing; it writes down the rows of each loop, and how many updates it has."""

    def __init__(self, train: TrainConfig, at: int) -> None:
        self._stretches, self._fed = stretches(train), None
        self._config = ExperimentConfig(task=ElectraTaskConfig())
        self._task = SimpleNamespace(build_inputs=None)
        self._train_dataset, self._train_iter = None, None
        self.clock, self.at, self.loops = Clock(lambda: 0.0), at, []

    def step(self) -> int:
        return self.at

    def distribute_dataset(self, build: object, data: Any) -> Any:
        assert data.start_step == self.at
        return data.global_batch_size


@pytest.mark.parametrize(
    ("at", "steps", "loops"),
    [
        (0, 10, [(4, 1), (4, 2), (8, 1), (8, 1), (12, 1), (12, 4)]),
        (0, 3, [(4, 1), (4, 2)]),
        (2, 2, [(4, 1), (8, 1)]),
        (3, 2, [(8, 1), (8, 1)]),
        (7, 3, [(12, 1), (12, 2)]),
    ],
)
def test_loops_end_where_the_size_of_batches_changes(
    monkeypatch: pytest.MonkeyPatch, at: int, steps: int, loops: list[tuple[int, int]]
) -> None:
    """The first loop of each size is one update, in which its graph is traced."""

    def loop(trainer: CountingTrainer, number: tf.Tensor) -> dict[str, float]:
        trainer.loops.append((trainer.train_dataset, int(number)))
        trainer.at += int(number)
        return {"step": float(trainer.at)}

    monkeypatch.setattr(base_trainer.Trainer, "train", loop)
    config = Config().replaced({"train.batch_size": 12, "train.batch_schedule": "4:11,8:28"})
    trainer = CountingTrainer(config.train, at)
    assert trainer.train(tf.constant(steps)) == {"step": float(at + steps)}
    assert trainer.loops == loops
