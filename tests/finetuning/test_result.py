"""What runs say together."""

from __future__ import annotations

import json
import math

import pytest

from electra_cli.errors import TrainingError
from electra_cli.finetuning.columns import ColumnPlan
from electra_cli.finetuning.result import Comparison, SeedResult


def column(name: str) -> ColumnPlan:
    role = name if name in ("random", "probe") else "model"
    return ColumnPlan(name, name, role, None, None)


def run(name: str, seed: int, score: float | None, metric: str = "accuracy") -> SeedResult:
    return SeedResult(
        **column(name).record,
        seed=seed,
        steps=9,
        loss=0.5,
        metrics={metric: score},
        threshold=None,
        state_sha256="0" * 64,
        sequences_per_second=1.0,
    )


def comparison(
    scores: dict[str, list[float | None]], *, metric: str = "accuracy", majority: float = 0.5
) -> Comparison:
    """Of columns by their names, with a score for each seed."""
    runs = [
        run(name, seed, score, metric)
        for name, of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    ]
    return Comparison((), {}, metric, majority, "a task").joined(runs)


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
    (found,) = comparison({"model": [0.4]}).as_json()["columns"]
    assert found["standard_deviation"] is None
    assert found["failed_seeds"] == [0]
    assert "column" not in found["runs"][0]


def test_a_run_that_has_diverged_has_failed_and_is_never_the_best() -> None:
    diverged = SeedResult.diverged(column("a"), 1, ["accuracy"])
    found = comparison({"a": [0.4]}).joined([diverged])
    assert found.as_json()["columns"][0]["failed_seeds"] == [0, 1]
    assert found.best.seed == 0
    alone = comparison({"random": [0.6]}).joined([diverged])
    with pytest.raises(TrainingError, match="every run has diverged"):
        assert alone.best


def test_results_of_an_older_electra_do_not_say_what_pretraining_has_cost() -> None:
    plan = ColumnPlan("step-3", "step 3", "model", 3, None, 2e9)
    record = SeedResult.diverged(plan, 0, ["accuracy"]).as_json()
    assert SeedResult.of_json(record).pretraining_flops == 2e9
    del record["pretraining_flops"]
    assert SeedResult.of_json(record).pretraining_flops is None


def test_columns_stand_in_their_order() -> None:
    found = comparison({"random": [0.5], "probe": [0.5]})
    for step in (20, 3):
        plan = ColumnPlan(f"step-{step}", str(step), "model", step, None)
        found = found.joined([SeedResult.diverged(plan, 0, ["accuracy"])])
    assert [one.name for one in found.columns] == ["step-3", "step-20", "probe", "random"]
