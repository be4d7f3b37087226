from __future__ import annotations

import math

import numpy as np
import pytest

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.errors import DataError
from electra_cli.metrics.curve import Calibration, RankingCurve
from electra_cli.metrics.names import finite
from electra_cli.objectives import metrics_of, objective_of

ELECTRA = objective_of(ObjectiveConfig())
ALL_METRICS = metrics_of([ELECTRA], detail=True)
CONTINUATIONS = np.arange(300) % 3 == 0


def logs(rows: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random((rows, 16)) < 0.15
    return {
        "masked_lm_cross_entropy": generator.random((rows, 3)).astype(np.float32),
        "masked_lm_ids": generator.integers(0, 4, (rows, 3)),
        "masked_lm_predictions": generator.integers(0, 4, (rows, 3)),
        "sampled_ids": generator.integers(0, 4, (rows, 3)),
        "masked_lm_weights": (generator.random((rows, 3)) < 0.8).astype(np.float32),
        "disc_cross_entropy": generator.random((rows, 16)).astype(np.float32),
        "disc_logits": (generator.normal(size=(rows, 16)) + labels).astype(np.float32),
        "disc_labels": labels.astype(np.int32),
        "masked_lm_positions": generator.integers(0, 16, (rows, 3)),
        "masked_lm_rank": generator.integers(0, 9, (rows, 3)),
        "input_ids": generator.integers(0, 300, (rows, 16)),
        "input_mask": (generator.random((rows, 16)) < 0.9).astype(np.int32),
    }


def result(*steps: dict[str, np.ndarray]) -> dict[str, float]:
    state = ELECTRA.new_validation(300, CONTINUATIONS)
    for step in steps:
        state.add(step)
    return state.result()


def pairwise_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    positive, negative = scores[labels][:, None], scores[~labels][None, :]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def test_against_plain_definitions() -> None:
    step = logs()
    found = result(step)
    used, tokens = step["masked_lm_weights"] > 0, step["input_mask"] > 0
    label, logit = step["disc_labels"][tokens] > 0, step["disc_logits"][tokens]
    guess = logit > 0
    right = step["masked_lm_predictions"] == step["masked_lm_ids"]
    sampled = step["sampled_ids"] == step["masked_lm_ids"]
    masked_lm_loss = step["masked_lm_cross_entropy"][used].mean()
    disc_loss = step["disc_cross_entropy"][tokens].mean()
    precision, recall = (guess & label).sum() / guess.sum(), (guess & label).sum() / label.sum()
    expected = {
        "total_loss": masked_lm_loss + 50 * disc_loss,
        "masked_lm_loss": masked_lm_loss,
        "masked_lm_perplexity": math.exp(masked_lm_loss),
        "masked_lm_accuracy": right[used].mean(),
        "sampled_masked_lm_accuracy": sampled[used].mean(),
        "disc_loss": disc_loss,
        "disc_accuracy": (guess == label).mean(),
        "disc_precision": precision,
        "disc_recall": recall,
        "disc_f1": 2 * precision * recall / (precision + recall),
        "disc_auc": pairwise_auc(logit, label),
        "replaced_rate": label.mean(),
        "masked_lm_top5_accuracy": (step["masked_lm_rank"] < 5)[used].mean(),
        "disc_auc_reference": pairwise_auc(
            np.where(tokens, step["disc_logits"], -np.inf).ravel(),
            (tokens & (step["disc_labels"] > 0)).ravel(),
        ),
    }
    assert tuple(found) == ALL_METRICS
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=1e-4)


def test_breakdowns_against_plain_definitions() -> None:
    step = logs(rows=400)
    found = result(step)
    tokens, replaced = step["input_mask"] > 0, step["disc_labels"] > 0
    ids, hit = step["input_ids"], step["disc_logits"] > 0
    counts = np.bincount(ids[tokens], minlength=300)
    order = sorted(range(300), key=lambda token: (-counts[token], token))
    frequent = np.isin(ids, order[:100])
    continues = np.isin(ids, np.flatnonzero(CONTINUATIONS))
    where = np.broadcast_to(np.arange(16), ids.shape)
    for band, group in {
        "rank_1_to_100": frequent,
        "rank_101_to_1000": ~frequent,
        "position_quarter_1": where < 4,
        "position_quarter_4": where >= 12,
        "word_start": ~continues,
        "word_continuation": continues,
    }.items():
        expected = hit[tokens & replaced & group].mean()
        assert found[f"disc_recall/{band}"] == pytest.approx(expected, rel=1e-9), band
    used = (step["masked_lm_weights"] > 0) & (step["masked_lm_positions"] >= 12)
    right = step["masked_lm_predictions"] == step["masked_lm_ids"]
    name = "masked_lm_accuracy/position_quarter_4"
    assert found[name] == pytest.approx(right[used].mean(), rel=1e-9)
    assert math.isnan(found["disc_recall/rank_from_10001"])


def test_replicas_may_be_a_tuple() -> None:
    step = logs()
    split = {name: (value[:13], value[13:]) for name, value in step.items()}
    assert result(split) == pytest.approx(result(step), rel=1e-12, nan_ok=True)


def test_a_missing_log_is_named() -> None:
    step = logs()
    del step["input_mask"]
    with pytest.raises(DataError, match="lack input_mask"):
        result(step)


def test_batches_do_not_matter() -> None:
    step = logs()
    parts = [{k: v[i : i + 7] for k, v in step.items()} for i in range(0, 40, 7)]
    assert result(*parts) == pytest.approx(result(step), rel=1e-12, nan_ok=True)


def test_rows_of_padding_count_nowhere() -> None:
    step = logs()
    empty = {k: np.zeros_like(v[:5]) for k, v in step.items()}
    assert result(step, empty) == pytest.approx(result(step), rel=0, abs=0, nan_ok=True)


def test_nothing_at_all_is_not_a_number() -> None:
    found = result()
    assert set(found) == set(ALL_METRICS)
    assert all(math.isnan(value) for value in found.values())
    assert set(finite(found).values()) == {None}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_auc_at_any_scale_of_the_scores(scale: float) -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(4000) < 0.15
    scores = (scale * (generator.normal(size=4000) + labels) - 2.0).astype(np.float32)
    curve = RankingCurve()
    curve.add(scores[:1500], labels[:1500])
    curve.add(scores[1500:], labels[1500:])
    assert curve.auc() == pytest.approx(pairwise_auc(scores, labels), abs=1e-4)


def test_auc_stays_exact_enough_when_bins_are_merged() -> None:
    generator = np.random.default_rng(1)
    labels = generator.random(400_000) < 0.12
    scores = (generator.normal(size=400_000) + 1.5 * labels).astype(np.float32)
    exact, merged = RankingCurve(), RankingCurve(limit=1 << 14)
    exact.add(scores, labels)
    expected = exact.auc()
    for part in range(0, 400_000, 5_000):
        merged.add(scores[part : part + 5_000], labels[part : part + 5_000])
        assert len(merged._scores) <= 1 << 14
    assert merged.auc() == pytest.approx(expected, abs=1e-4)


def test_auc_counts_ties_half_and_needs_both_classes() -> None:
    curve = RankingCurve()
    curve.add(np.array([1.0, 1.0], np.float32), np.array([True, False]))
    assert curve.auc() == 0.5
    only_negatives = RankingCurve()
    only_negatives.add(np.array([1.0], np.float32), np.array([False]))
    assert math.isnan(only_negatives.auc())


def test_what_is_no_number_makes_no_number() -> None:
    """Of a model that has diverged; a number would pass for a measurement, and no warning comes."""
    logits, labels = np.array([1.0, np.nan, -1.0], np.float32), np.array([True, False, False])
    curve, calibration = RankingCurve(), Calibration()
    curve.add(logits, labels)
    calibration.add(logits, labels)
    assert math.isnan(curve.auc())
    assert math.isnan(curve.average_precision())
    assert math.isnan(calibration.error())
