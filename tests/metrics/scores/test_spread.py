"""Seeds of one column, and the majority baseline."""

from __future__ import annotations

import math

import numpy as np
import pytest

from electra_cli.metrics.scores import majority
from electra_cli.metrics.scores.spread import spread


def test_of_five_seeds() -> None:
    scores = {7: 0.9, 8: 0.5, 9: 0.8, 10: 0.95, 11: 0.85}
    found = spread(scores, metric="accuracy", majority=0.5)
    assert found.scores == scores
    assert found.median == 0.85
    assert found.mean == pytest.approx(np.mean(list(scores.values())))
    assert found.deviation == pytest.approx(np.std(list(scores.values()), ddof=1))
    assert (found.best, found.best_seed, found.failed) == (0.95, 10, (8,))


def test_of_an_error_less_is_better() -> None:
    found = spread({0: 0.3, 1: 0.2, 2: 1.5}, metric="mse", majority=1.5)
    assert (found.best, found.best_seed, found.failed) == (0.2, 1, (2,))


def test_a_correlation_that_is_not_defined_is_that_of_the_baseline() -> None:
    found = spread({0: math.nan, 1: 0.8}, metric="spearman", majority=0.0)
    assert (found.mean, found.failed, found.scores[0]) == (0.4, (0,), 0.0)


def test_one_seed_has_no_deviation() -> None:
    found = spread({3: 0.8}, metric="f1", majority=0.0)
    assert math.isnan(found.deviation)
    assert (found.median, found.mean, found.best, found.failed) == (0.8, 0.8, 0.8, ())


@pytest.mark.parametrize(
    ("train", "expected"), [([0, 1, 1], 0.75), ([0, 0, 1], 0.25), ([1, 0], 0.25)]
)
def test_majority_of_the_training_labels(train: list[int], expected: float) -> None:
    found = majority.of_classification(train, [1, 1, 1, 0], ["no", "yes"])
    assert found["accuracy"] == expected
    assert found["matthews"] == 0


def test_majority_of_numbers() -> None:
    found = majority.of_regression([1.0, 3.0], [2.0, 4.0])
    assert found == {"pearson": 0.0, "spearman": 0.0, "mse": 2.0}


@pytest.mark.parametrize(("scheme", "span_f1"), [("bio", 0.0), ("none", None)])
def test_majority_of_tags(scheme: str, span_f1: float | None) -> None:
    train, gold = [["O", "B-X", "O"]], [["O", "O", "B-X"], []]
    found = majority.of_tagging(train, gold, ["B-X", "O"], scheme)
    assert found["accuracy"] == 2 / 3
    assert found.get("span_f1") == span_f1


def test_majority_of_questions() -> None:
    gold = {"1": ["whale"], "2": []}
    assert majority.of_qa(gold, answerable=False)["f1"] == 0.5
    assert majority.of_qa({"1": ["whale"]}, answerable=True)["f1"] == 0
