"""Scores of classification against scikit-learn, over tables of many shapes."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from electra_cli.metrics.scores import classification

LETTERS = "abcdefghij"


def table(case: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Gold, predictions and labels: balanced or not, with labels that never occur or none right."""
    rng = np.random.default_rng(case)
    labels = list(LETTERS[: rng.integers(1, 8)])
    size = int(rng.integers(1, 60))
    weights = rng.dirichlet(np.full(len(labels), rng.choice([0.05, 1.0, 20.0])), 2)
    gold, said = (rng.choice(len(labels), size, p=row) for row in weights)
    return gold, np.where(rng.random(size) < rng.choice([0.0, 0.5, 1.0]), gold, said), labels


def sklearn_scores(gold: np.ndarray, said: np.ndarray, labels: list[str]) -> dict[str, float]:
    numbers = list(range(len(labels)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a share of nothing is set to zero
        found = {
            "accuracy": sklearn_metrics.accuracy_score(gold, said),
            "macro_f1": sklearn_metrics.f1_score(gold, said, average="macro"),
            "micro_f1": sklearn_metrics.f1_score(gold, said, average="micro"),
            "matthews": sklearn_metrics.matthews_corrcoef(gold, said),
        }
        if len(labels) == 2:
            found["f1"] = sklearn_metrics.f1_score(gold, said)
        parts = sklearn_metrics.precision_recall_fscore_support(gold, said, labels=numbers)
    for name, values in zip(("precision", "recall", "f1"), parts, strict=False):
        found |= {f"{name}/{label}": value for label, value in zip(labels, values, strict=True)}
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("case", range(60))
def test_equal_to_scikit_learn(case: int) -> None:
    gold, said, labels = table(case)
    found = classification.scores(gold, said, labels)
    assert tuple(found) == classification.names(labels)
    assert found == pytest.approx(sklearn_scores(gold, said, labels), abs=1e-12)


@pytest.mark.parametrize(
    ("gold", "said"),
    [([0, 0, 1], [0, 0, 0]), ([0, 0, 0], [0, 1, 1]), ([1, 1], [1, 1]), ([0, 1], [1, 0])],
    ids=["one label predicted", "one label in gold", "one label at all", "none right"],
)
def test_cases_without_a_denominator(gold: list[int], said: list[int]) -> None:
    expected = sklearn_scores(np.array(gold), np.array(said), ["no", "yes"])
    assert classification.scores(gold, said, ["no", "yes"]) == pytest.approx(expected)


def test_without_examples() -> None:
    found = classification.scores([], [], ["no", "yes"])
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {"accuracy", "macro_f1", "micro_f1"}
    assert found["matthews"] == found["f1"] == 0


def test_matthews_of_more_examples_than_their_products_fit_into_64_bits() -> None:
    gold = np.repeat([0, 1], 60_000).tolist()
    said = [*gold[:1_000], *([1] * 60_000), *([0] * 59_000)]
    big = classification.scores(gold, said, ["no", "yes"])["matthews"]
    small = classification.scores(gold[::1_000], said[::1_000], ["no", "yes"])["matthews"]
    assert big == pytest.approx(small, abs=1e-12)


def test_many_labels_take_little_memory() -> None:
    """A table of all labels against all would take 800 MB."""
    labels = [str(number) for number in range(10_000)]
    gold = np.arange(len(labels))
    tracemalloc.start()
    found = classification.scores(gold, np.minimum(gold, 4999), labels)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["accuracy"] == 0.5
    assert found["recall/4999"] == 1
    assert most < 30 * 2**20
