"""Scores of regression against SciPy and scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_squared_error

from electra_cli.metrics.scores import regression


def scipy_scores(gold: np.ndarray, said: np.ndarray) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the correlation of a constant is not defined
        return {
            "pearson": float(stats.pearsonr(gold, said)[0]),
            "spearman": float(stats.spearmanr(gold, said)[0]),
            "mse": float(mean_squared_error(gold, said)),
        }


def table(case: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of many sizes and places; rounded ones have ties."""
    rng = np.random.default_rng(case)
    gold = rng.normal(rng.choice([0, 5, -1e3]), rng.choice([1e-3, 1.0, 1e6]), rng.integers(2, 80))
    said = rng.uniform(-2, 2) * gold + rng.normal(0, gold.std(), len(gold))
    if case % 3 == 0:
        scale = max(gold.std(), said.std())
        gold, said = np.round(gold / scale), np.round(said / scale)
    return gold, said


@pytest.mark.parametrize("case", range(45))
def test_equal_to_scipy(case: int) -> None:
    found = regression.scores(*table(case))
    assert tuple(found) == regression.names()
    assert found == pytest.approx(scipy_scores(*table(case)), rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ([1, 2, 3], [4, 4, 4]),
        ([0.1, 0.1, 0.1], [1, 2, 3]),
        ([1, 2], [7, 3]),
        ([1, 2, 3], [1e200, 2e200, 4e200]),
        ([1, 1, 1, 2], [2, 2, 2, 1]),
    ],
    ids=["constant predictions", "constant gold", "two examples", "huge", "ties"],
)
def test_special_tables(gold: list[float], said: list[float]) -> None:
    with np.errstate(over="ignore"):
        expected = scipy_scores(np.array(gold), np.array(said))
    found = regression.scores(gold, said)
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("gold", "said", "undefined"),
    [
        ([], [], {"pearson", "spearman", "mse"}),
        ([1.0], [1.0], {"pearson", "spearman"}),
        ([1.0, 2.0, 3.0], [1.0, np.nan, 2.0], {"pearson", "spearman", "mse"}),
        ([1.0, 2.0, 3.0], [1.0, np.inf, 2.0], {"pearson"}),
    ],
    ids=["none", "one", "no number", "infinite"],
)
def test_what_is_not_defined_is_nan(
    gold: list[float], said: list[float], undefined: set[str]
) -> None:
    found = regression.scores(gold, said)
    assert {name for name, value in found.items() if np.isnan(value)} == undefined
