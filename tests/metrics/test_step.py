"""The Keras metrics against the exact corpus-level numbers on the same tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.errors import DataError
from electra_cli.objectives import objective_of

ELECTRA = objective_of(ObjectiveConfig())


def tokens(rows: int = 40) -> dict[str, np.ndarray]:
    """One set of logs, the last rows shorter than the first."""
    rng = np.random.default_rng(3)
    masked, length = (rows, 5), (rows, 32)
    labels = (rng.random(length) < 0.14).astype(np.int32)
    ids = rng.integers(0, 9, masked).astype(np.int32)
    return {
        "masked_lm_cross_entropy": rng.gamma(2.0, 2.0, masked).astype(np.float32),
        "masked_lm_ids": ids,
        "masked_lm_predictions": np.where(rng.random(masked) < 0.4, ids, 0).astype(np.int32),
        "sampled_ids": np.where(rng.random(masked) < 0.2, ids, 1).astype(np.int32),
        "masked_lm_weights": (np.arange(5) < rng.integers(1, 6, (rows, 1))).astype(np.float32),
        "disc_cross_entropy": rng.gamma(1.0, 0.4, length).astype(np.float32),
        "disc_logits": (rng.normal(size=length) - 1 + 1.2 * labels).astype(np.float32),
        "disc_labels": labels,
        "masked_lm_positions": np.argsort(rng.random(length), axis=1)[:, :5].astype(np.int32),
        "masked_lm_rank": rng.integers(0, 12, masked).astype(np.int32),
        "input_ids": rng.integers(0, 9, length).astype(np.int32),
        "input_mask": (np.arange(32) < rng.integers(8, 33, (rows, 1))).astype(np.int32),
    }


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_equal_to_the_exact_numbers_for_any_batch(batch: int) -> None:
    logs, metrics = tokens(), ELECTRA.keras_metrics()
    exact = ELECTRA.new_validation(9)
    exact.add(logs)
    for start in range(0, 40, batch):
        part = {k: tf.constant(v[start : start + batch]) for k, v in logs.items()}
        ELECTRA.update_keras_metrics(metrics, part)
    assert [metric.name for metric in metrics] == list(ELECTRA.step_metrics)
    for metric in metrics:
        # The bins of the AUC tie a few of 170 positives with their neighbours.
        bound = 2e-3 if metric.name == "disc_auc" else 1e-6
        expected = exact.result()[metric.name]
        assert float(metric.result()) == pytest.approx(expected, rel=bound), metric.name


def recorded() -> dict[str, np.ndarray]:
    """What one validation step of the preset tiny returned after training, 32 rows of 128."""
    with np.load(Path(__file__).with_name("validation_tokens.npz"), allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("batch", [1, 7, 32])
@pytest.mark.parametrize("replicas", [1, 2])
def test_recorded_tokens_in_any_batches(batch: int, replicas: int) -> None:
    logs = recorded()
    whole, parts = ELECTRA.new_validation(10_720), ELECTRA.new_validation(10_720)
    whole.add(logs)
    for start in range(0, 32, batch):
        part = {name: value[start : start + batch] for name, value in logs.items()}
        parts.add({k: tuple(np.array_split(value, replicas)) for k, value in part.items()})
    assert parts.result() == pytest.approx(whole.result(), rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("logs", [tokens(), recorded()], ids=["drawn", "recorded"])
def test_equal_to_scikit_learn(logs: dict[str, np.ndarray]) -> None:
    exact = ELECTRA.new_validation(10_720)
    exact.add(logs)
    real = logs["input_mask"] > 0
    labels, logits = logs["disc_labels"][real], logs["disc_logits"][real]
    found = exact.result()
    used = logs["masked_lm_weights"] > 0
    for name, guess in (
        ("masked_lm_accuracy", "masked_lm_predictions"),
        ("sampled_masked_lm_accuracy", "sampled_ids"),
    ):
        score = sklearn_metrics.accuracy_score(logs["masked_lm_ids"][used], logs[guess][used])
        assert found[name] == pytest.approx(score, abs=1e-6), name
    assert found["disc_auc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(labels, logits), abs=1e-6
    )
    assert found["disc_average_precision"] == pytest.approx(
        sklearn_metrics.average_precision_score(labels, logits), abs=1e-6
    )
    everything = sklearn_metrics.roc_auc_score(
        np.ravel(logs["disc_labels"] * real), np.ravel(real / (1 + np.exp(-logs["disc_logits"])))
    )
    assert found["disc_auc_reference"] == pytest.approx(everything, abs=1e-6)
    for name in ("precision", "recall", "f1", "accuracy"):
        score = getattr(sklearn_metrics, f"{name}_score")(labels, logits > 0)
        assert found[f"disc_{name}"] == pytest.approx(score, abs=1e-6), name
    share, confidence = calibration_curve(labels, 1 / (1 + np.exp(-logits)), n_bins=15)
    edges = np.linspace(0, 1, 16)
    count = np.histogram(1 / (1 + np.exp(-logits)), edges)[0]
    error = (np.abs(share - confidence) * count[count > 0]).sum() / count.sum()
    assert found["disc_calibration_error"] == pytest.approx(error, abs=1e-6)


def test_reset() -> None:
    metrics = ELECTRA.keras_metrics()
    logs = {key: tf.constant(value) for key, value in tokens().items()}
    ELECTRA.update_keras_metrics(metrics, logs)
    first = {metric.name: float(metric.result()) for metric in metrics}
    for metric in metrics:
        metric.reset_state()
    ELECTRA.update_keras_metrics(metrics, logs)
    assert {metric.name: float(metric.result()) for metric in metrics} == first


def test_a_list_without_the_expected_names() -> None:
    metrics = [metric for metric in ELECTRA.keras_metrics() if metric.name != "disc_auc"]
    with pytest.raises(DataError, match="lack disc_auc"):
        ELECTRA.update_keras_metrics(metrics, tokens())
