"""Held-out rows are masked and filled in the same way for every run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from electra_cli.config.schema import max_predictions
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.inputs import rows
from electra_cli.metrics import held_out
from electra_cli.training.loop.trainer import ElectraTrainer
from tests.training.trainers import build

OTHER = {"objective.mask_probability": 0.4, "objective.disallow_correct": True}


def test_a_run_of_another_rate_is_asked_the_same(data: Path) -> None:
    usual, other = (
        build(data, **{"objective.masking": "token"} | changes) for changes in ({}, OTHER)
    )
    manifest = load_manifest(data)
    batch = next(iter(rows.validation_dataset(manifest, rows.Share(16, 1, 0), word_starts=False)))

    def logs(trainer: ElectraTrainer) -> dict[str, np.ndarray]:
        found = trainer.task.validation_logs(batch, trainer.model)
        return {name: value.numpy() for name, value in found.items()}

    expected, found = logs(usual), logs(other)
    slots = max_predictions(held_out.MASK_PROBABILITY, manifest.sequence_length)
    assert found["masked_lm_ids"].shape[1] == slots
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert np.array_equal(values, found[name]), name

    # While it trains, it masks more, and never draws the token that was masked.
    features = other.task._features(batch | {"step": tf.zeros([16], tf.int64)}, training=True)
    assert features["masked_lm_ids"].shape[1] == max_predictions(0.4, manifest.sequence_length)
    masked = features["masked_lm_ids"]
    (bias,) = [v for v in other.model.trainable_variables if v.shape == manifest.vocab.size]
    bias.assign(50.0 * tf.one_hot(masked[0, 0], manifest.vocab.size))  # it would draw only this
    for training, draws in ((False, True), (True, False)):
        sampled = other.model(features, training=training)["sampled_ids"]
        assert bool(sampled[0, 0] == masked[0, 0]) is draws
