"""What runs say together."""

from __future__ import annotations

import json
import math

import pytest

from electra_cli.finetuning.columns import ColumnPlan
from electra_cli.finetuning.result import Comparison, SeedResult


def run(column: str, seed: int, score: float | None, metric: str = "accuracy") -> SeedResult:
    return SeedResult(column, seed, 9, 0.5, {metric: score}, None, "0" * 64, 1.0)


def comparison(
    scores: dict[str, list[float | None]], *, metric: str = "accuracy", majority: float = 0.5
) -> Comparison:
    """Of columns by their names, with a score for each seed."""
    roles = {"random": "random", "probe": "probe"}
    columns = [ColumnPlan(name, name, roles.get(name, "model"), None, None) for name in scores]
    runs = {
        name: [run(name, seed, score, metric) for seed, score in enumerate(of_seeds)]
        for name, of_seeds in scores.items()
    }
    return Comparison(columns, runs, metric, majority, "a task")


def test_a_run_is_read_back() -> None:
    whole = run("model", 3, None)
    record = json.loads(json.dumps(whole.as_json()))
    assert SeedResult.of_json(record) == whole
    assert math.isnan(whole.score("accuracy"))
    assert math.isnan(whole.score("another"))
    with pytest.raises(KeyError):
        SeedResult.of_json({"column": "model"})


@pytest.mark.parametrize(
    ("scores", "options", "best"),
    [
        ({"a": [0.6, 0.7], "b": [0.9, 0.1]}, {}, ("a", 1)),  # by the mean, then by the seed
        ({"a": [0.6], "b": [0.7], "random": [0.9], "probe": [0.9]}, {}, ("b", 0)),
        ({"a": [0.6], "b": [0.6]}, {}, ("a", 0)),
        ({"a": [None, None], "b": [0.4, 0.4]}, {}, ("a", 0)),  # counts as the majority's 0.5
        ({"a": [3.0, 2.0], "b": [4.0, 1.0]}, {"metric": "mse", "majority": 9.0}, ("a", 1)),
    ],
)
def test_the_best_run(
    scores: dict[str, list[float | None]], options: dict, best: tuple[str, int]
) -> None:
    found = comparison(scores, **options)
    assert (found.best.column, found.best.seed) == best
    assert found.best_column.name == best[0]
    record = found.as_json()
    assert record["best"] == {"column": best[0], "seed": best[1]}
    json.dumps(record, allow_nan=False)


def test_one_seed_has_no_deviation() -> None:
    (column,) = comparison({"model": [0.4]}).as_json()["columns"]
    assert column["standard_deviation"] is None
    assert column["failed_seeds"] == [0]
    assert "column" not in column["runs"][0]
