"""One step on one device, on two replicas and in micro-batches is the same step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.runs.held_out import Sentence
from tests.training.trainers import build, train

STEPS = 3

pytestmark = pytest.mark.slow


@dataclasses.dataclass
class Outcome:
    logs: list[dict[str, float]]
    weights: dict[str, np.ndarray]
    validation: dict[str, float]
    sentences: Sequence[Sentence]


def run_steps(data: Path, device: str = "cpu", **values: Any) -> Outcome:
    trainer = build(data, device=device, **{"train.steps": 10} | values)
    logs = [train(trainer, 1) for _ in range(STEPS)]
    weights = {v.name: v.numpy() for v in trainer.model.trainable_variables}
    return Outcome(logs, weights, trainer.held_out_metrics(), trainer.task.sentences.found)


def assert_same(found: Outcome, expected: Outcome) -> None:
    for ours, theirs in zip(found.logs, expected.logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for name, weight in expected.weights.items():
        np.testing.assert_allclose(found.weights[name], weight, atol=1e-5, err_msg=name)
    assert found.validation == pytest.approx(expected.validation, rel=1e-4, nan_ok=True)
    assert len(found.sentences) == 10
    for ours, theirs in zip(found.sentences, expected.sentences, strict=True):
        assert ours.row == theirs.row
        for token, other in zip(ours.tokens, theirs.tokens, strict=True):
            assert (token.text, token.sampled) == (other.text, other.sampled)
            assert token.suspicion == pytest.approx(other.suspicion, abs=1e-3)


@pytest.fixture(scope="module")
def single(data: Path) -> Outcome:
    return run_steps(data)


DROPOUT = {
    "model.hidden_dropout": 0.3,
    "model.attention_dropout": 0.2,
    "train.accumulation_steps": 2,
}


@pytest.fixture(scope="module")
def dropped(data: Path) -> Outcome:
    return run_steps(data, **DROPOUT)


@pytest.mark.parametrize(
    ("device", "values"),
    [
        ("cpu:2", {}),
        ("cpu:2", {"train.accumulation_steps": 2, "xla": True}),
    ],
)
def test_same_losses_same_weights(
    data: Path, single: Outcome, device: str, values: dict[str, Any]
) -> None:
    assert single.logs[0]["gradient_norm"] > 1.0  # clipping is at work
    assert_same(run_steps(data, device, **values), single)


@pytest.mark.parametrize(("device", "lanes"), [("cpu", 4), ("cpu:2", 2)])
def test_lanes_and_replicas_have_the_dropout_of_the_whole_batch(
    data: Path, single: Outcome, dropped: Outcome, device: str, lanes: int
) -> None:
    """Also where the batch has parts, each with masks of its own."""
    assert dropped.logs[0]["total_loss"] != pytest.approx(single.logs[0]["total_loss"], rel=1e-5)
    assert_same(run_steps(data, device, lanes=lanes, **DROPOUT), dropped)


def test_a_batch_whose_size_is_known_only_when_it_runs(data: Path) -> None:
    trainer = build(data)
    task, model = trainer.task, trainer.model
    batch = next(iter(task.build_inputs(trainer.config.task.validation_data)))
    specs = {
        name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in batch.items()
    }
    infer = tf.function(
        lambda rows: task.inference_step(rows, model), input_signature=[specs], autograph=False
    )
    found = infer(batch)
    expected = task.inference_step(batch, model)
    np.testing.assert_allclose(found["disc_logits"], expected["disc_logits"], atol=1e-5)


def test_masks_and_samples_are_the_same_on_two_replicas(data: Path) -> None:
    def draw(device: str) -> dict[int, tuple[list[int], list[int]]]:
        # So many rows that some are short, whichever Python's documentation they are.
        trainer = build(data, device=device, **{"train.batch_size": 256})
        strategy, task, model = trainer.strategy, trainer.task, trainer.model
        dataset = strategy.distribute_datasets_from_function(
            lambda context: task.build_inputs(trainer.config.task.train_data, context)
        )

        @tf.function(autograph=False)
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
