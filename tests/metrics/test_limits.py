"""METRIC=VALUE of `--fail-under`, with the names that scores of tasks may have."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from electra_cli.cli.commands.finetune import _medians
from electra_cli.errors import ConfigError
from electra_cli.metrics.limits import check_names, missed_limits, parse_limits
from electra_cli.metrics.scores import classification, regression, squad
from electra_cli.metrics.scores.names import THRESHOLD
from tests.finetuning.test_result import comparison

SCORES = [
    *classification.names(["x=y", "mse", "subtotal", "total"]),
    *regression.names(),
    *(f"b/{name}" for name in regression.names()),
    *squad.names(answerable=False),
    THRESHOLD,
    f"b/{THRESHOLD}",
]


@pytest.mark.parametrize(
    "name",
    ["accuracy", "f1/x=y", "f1/mse", "f1/total", "b/spearman", "best_f1", "HasAns_exact"],
)
def test_a_limit_on_a_score(name: str) -> None:
    limits = parse_limits([f"{name}=0.5"])
    check_names(limits, SCORES)
    assert not missed_limits({"here": {name: 0.5}}, limits)
    assert missed_limits({"here": {name: 0.4999}}, limits) == [
        f"{name} is 0.4999 at here, under the limit 0.5000"
    ]
    for undefined in (math.nan, -math.inf):
        (said,) = missed_limits({"here": {name: undefined}}, limits)
        assert said.startswith(f"{name} is n/a at here")


@pytest.mark.parametrize(
    "name",
    ["mse", "b/mse", "total", "NoAns_total", "best_f1_thresh", "threshold", "b/threshold", "x=y"],
)
def test_a_limit_on_what_is_no_score(name: str) -> None:
    """Errors, which are better the lower they are, counts and thresholds."""
    with pytest.raises(ConfigError) as caught:
        check_names(parse_limits([f"{name}=0.5"]), SCORES)
    assert f"--fail-under {name}:" in caught.value.message


@pytest.mark.parametrize(
    ("scores", "metric", "median"),
    [
        ([0.9, None, 0.8], "accuracy", 0.8),
        ([None, 0.9, 0.8], "accuracy", 0.8),
        ([0.9, None], "accuracy", 0.7),  # what runs are compared by counts as the majority's 0.5
        ([0.9, None], "other", -math.inf),  # the majority's of others is not known
        ([0.9, None, 0.8], "other", 0.8),
        ([None, None, 0.8], "other", -math.inf),
    ],
)
def test_the_median_of_seeds(scores: list[float | None], metric: str, median: float) -> None:
    """A score that is not defined stands below all others, wherever it is."""
    found = comparison({"a": scores}, metric=metric)
    found = replace(found, metric="accuracy")
    assert _medians(found)[metric] == pytest.approx(median)


def test_many_names_are_cut() -> None:
    with pytest.raises(ConfigError) as caught:
        check_names({"zzz": 0.5}, classification.names([str(n) for n in range(500)]))
    assert "and 1,4" in caught.value.hint
    assert len(caught.value.hint) < 400
