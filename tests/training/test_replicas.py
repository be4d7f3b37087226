"""One step on one device, on two replicas and in micro-batches is the same step."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.training.devices.strategy import build_strategy, parse_device
from electra_cli.training.loop.trainer import ElectraTrainer
from electra_cli.training.plan.experiment import compose
from tests.conftest import SMALL

STEPS = 3


def configuration(**values: object) -> Config:
    from electra_cli.config.yaml_core import parse_scalar

    shrunk = {key: parse_scalar(text) for key, _, text in (s.partition("=") for s in SMALL)}
    no_dropout = {"model.hidden_dropout": 0.0, "model.attention_dropout": 0.0}
    masking = {"objective.masking": "span"}  # the one with the most to it
    return Config().replaced(shrunk | no_dropout | masking | {"train.steps": 10} | values)


@dataclasses.dataclass
class Outcome:
    logs: list[dict[str, float]]
    weights: dict[str, np.ndarray]
    validation: dict[str, float]


def run_steps(
    data: Path, config: Config, device: str, *, xla: bool = False, lanes: int = 1
) -> Outcome:
    manifest = load_manifest(data)
    config = config.replaced({"model.vocab_size": manifest.vocab.size})
    strategy = build_strategy(parse_device(device))
    replicas = strategy.num_replicas_in_sync
    experiment = compose(
        config, manifest, data=data, precision="float32", replicas=replicas, xla=xla, lanes=lanes
    )
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task)
        model = task.build_model()
        optimizer = task.create_optimizer(experiment.trainer.optimizer_config)
        trainer = ElectraTrainer(experiment, task, model, optimizer)
    logs = [dict(trainer.train(tf.constant(1))) for _ in range(STEPS)]
    weights = {v.name: v.numpy() for v in model.trainable_variables}
    return Outcome(logs, weights, dict(trainer.evaluate(tf.constant(-1))))


@pytest.fixture(scope="module")
def single(data: Path) -> Outcome:
    return run_steps(data, configuration(), "cpu")


@pytest.mark.parametrize(
    ("device", "parts", "xla", "lanes"),
    [
        ("cpu:2", 1, False, 1),
        ("cpu", 4, False, 1),
        ("cpu:2", 2, True, 1),
        ("cpu", 2, False, 2),
    ],
)
def test_same_losses_same_weights(
    data: Path, single: Outcome, device: str, parts: int, xla: bool, lanes: int
) -> None:
    config = configuration(**{"train.accumulation_steps": parts})
    other = run_steps(data, config, device, xla=xla, lanes=lanes)
    for ours, theirs in zip(other.logs, single.logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert single.logs[0]["gradient_norm"] > config.optimizer.clip_norm  # clipping is at work
    for name, expected in single.weights.items():
        np.testing.assert_allclose(other.weights[name], expected, atol=1e-5, err_msg=name)
    assert other.validation == pytest.approx(single.validation, rel=1e-4, nan_ok=True)


def test_lanes_have_the_dropout_of_the_whole_batch(data: Path) -> None:
    config = configuration(**{"model.hidden_dropout": 0.3, "model.attention_dropout": 0.2})
    whole, lanes = run_steps(data, config, "cpu"), run_steps(data, config, "cpu", lanes=4)
    for ours, theirs in zip(lanes.logs, whole.logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for name, expected in whole.weights.items():
        np.testing.assert_allclose(lanes.weights[name], expected, atol=1e-5, err_msg=name)


def test_a_batch_whose_size_is_known_only_when_it_runs(data: Path) -> None:
    manifest = load_manifest(data)
    config = configuration(**{"model.vocab_size": manifest.vocab.size})
    experiment = compose(config, manifest, data=data, precision="float32", replicas=1)
    task = ElectraPretrainTask(experiment.task)
    model = task.build_model()
    batch = next(iter(task.build_inputs(experiment.task.validation_data)))
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in batch.items()
    }
    infer = tf.function(lambda rows: task.inference_step(rows, model), input_signature=[specs])
    found = infer(batch)
    expected = task.inference_step(batch, model)
    np.testing.assert_allclose(found["disc_logits"], expected["disc_logits"], atol=1e-5)


@pytest.mark.parametrize("masking", ["token", "whole-word", "span"])
def test_masks_and_samples_are_the_same_on_two_replicas(data: Path, masking: str) -> None:
    manifest = load_manifest(data)
    config = configuration(
        **{"model.vocab_size": manifest.vocab.size, "objective.masking": masking}
    )

    def draw(device: str) -> dict[int, tuple]:
        strategy = build_strategy(parse_device(device))
        replicas = strategy.num_replicas_in_sync
        experiment = compose(config, manifest, data=data, precision="float32", replicas=replicas)
        with strategy.scope():
            task = ElectraPretrainTask(experiment.task)
            model = task.build_model()
        dataset = strategy.distribute_datasets_from_function(
            lambda context: task.build_inputs(experiment.task.train_data, context)
        )

        @tf.function
        def step(inputs):
            def on_replica(rows):
                features = task._features(rows, training=True)
                sampled = model(features, training=False)["sampled_ids"]
                return rows["example_index"], features["masked_input_ids"], sampled

            return strategy.run(on_replica, args=(inputs,))

        parts = [strategy.experimental_local_results(part) for part in step(next(iter(dataset)))]
        joined = [np.concatenate([p.numpy() for p in part]) for part in parts]
        return {
            int(index): (masked.tolist(), sampled.tolist())
            for index, masked, sampled in zip(*joined, strict=True)
        }

    drawn = draw("cpu")
    lengths = {sum(bool(i) for i in masked) for masked, _ in drawn.values()}
    assert len(lengths) > 1  # rows of unequal length
    assert drawn == draw("cpu:2")


def test_dropout_is_repeated_and_does_something(data: Path, single: Outcome) -> None:
    config = configuration(**{"model.hidden_dropout": 0.5})
    with_dropout, again = run_steps(data, config, "cpu"), run_steps(data, config, "cpu")
    assert with_dropout.logs == again.logs
    assert with_dropout.logs[0]["total_loss"] != pytest.approx(
        single.logs[0]["total_loss"], rel=1e-5
    )
