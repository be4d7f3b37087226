"""Scores of one number for each example, the same as SciPy's.

Shapes: N examples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.scores.names import MSE, PEARSON, SPEARMAN

Floats = npt.NDArray[np.float64]


def names() -> tuple[str, ...]:
    """What `scores` returns, in the order to show it."""
    return (PEARSON, SPEARMAN, MSE)


def scores(gold: npt.ArrayLike, predictions: npt.ArrayLike) -> dict[str, float]:
    """Scores predicted numbers.

    Args:
      gold: The right numbers, [N], in the unit of the data.
      predictions: The predicted ones, [N], in the same unit.

    Returns:
      By `names`; the mean squared error in the unit squared. A correlation is NaN of fewer than
      two examples and where one side is constant or not finite; the error of none is NaN.
    """
    right = np.asarray(gold, np.float64)  # [N]
    said = np.asarray(predictions, np.float64)  # [N]
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(np.mean((right - said) ** 2)) if len(right) else float("nan")
    return {
        PEARSON: _correlation(right, said),
        SPEARMAN: _correlation(_ranks(right), _ranks(said)),
        MSE: error,
    }


def _correlation(left: Floats, right: Floats) -> float:
    return float(np.clip(_unit(left) @ _unit(right), -1.0, 1.0)) if len(left) else float("nan")


def _unit(values: Floats) -> Floats:
    """The vector of length 1 of deviations from the mean, [N]; NaN where there are none."""
    if not np.isfinite(values).all() or values.min() == values.max():
        return np.full(len(values), np.nan)
    values = values / np.abs(values).max()  # squares and sums of large numbers would overflow
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)


def _ranks(values: Floats) -> Floats:
    """Places in ascending order, [N]; equal values share the mean of theirs."""
    if not len(values) or np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]  # [N]
