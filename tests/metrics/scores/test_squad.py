"""Scores of answers against what the official scripts of SQuAD 1.1 and 2.0 gave."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from electra_cli.metrics.scores import squad

OFFICIAL = json.loads(
    (Path(__file__).parents[2] / "golden" / "finetune_metrics" / "squad_official.json").read_text(
        encoding="utf-8"
    )
)


def as_ours(official: dict[str, float]) -> dict[str, float]:
    """Percent become shares, and the whole's exact match has one name in both versions."""
    kept = ("total", "thresh")
    return {
        "exact_match" if name == "exact" else name: value / (1 if name.endswith(kept) else 100)
        for name, value in official.items()
    }


def assert_equal(found: dict[str, float], official: dict[str, float]) -> None:
    """Parts without questions, which the script leaves out, are NaN and of 0 questions."""
    expected = as_ours(official)
    for name in found.keys() - expected.keys():
        assert found[name] == 0 if name.endswith("total") else math.isnan(found[name]), name
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", OFFICIAL["v2"])
def test_equal_to_the_script_of_2_0(case: dict[str, Any]) -> None:
    gold, said = case["gold"], case["predictions"]
    found = squad.scores(
        gold, said, answerable=False, null_odds=case["null_odds"], threshold=case["threshold"]
    )
    assert tuple(found) == squad.names(answerable=False)
    assert_equal(found, case["scores"])
    plain = squad.scores(gold, said, answerable=False)
    assert tuple(plain) == squad.names(answerable=False, null_odds=False)
    assert_equal(plain, case["without_odds"])


@pytest.mark.parametrize("case", OFFICIAL["v1"])
def test_equal_to_the_script_of_1_1(case: dict[str, Any]) -> None:
    found = squad.scores(case["gold"], case["predictions"], answerable=True)
    assert tuple(found) == squad.names(answerable=True)
    assert_equal(found, case["scores"] | {"total": len(case["gold"])})


@pytest.mark.parametrize("answerable", [True, False])
def test_a_question_without_a_prediction_is_wrong(answerable: bool) -> None:
    gold = {"1": ["whale"], "2": ["blue"]} | ({} if answerable else {"3": []})
    found = squad.scores(gold, {"1": "the Whale!"}, answerable=answerable)
    assert found["exact_match"] == found["f1"] == 1 / len(gold)


@pytest.mark.parametrize("answerable", [True, False])
def test_without_questions(answerable: bool) -> None:
    found = squad.scores({}, {}, answerable=answerable, null_odds={})
    assert math.isnan(found["exact_match"])
    assert found["total"] == 0


def test_the_best_threshold_keeps_what_it_names() -> None:
    gold: dict[str, list[str]] = {"1": ["whale"], "2": [], "3": ["blue"], "4": []}
    said = {"1": "whale", "2": "sea", "3": "blue", "4": "red"}
    odds = {"1": -2.0, "2": 0.5, "3": 0.1, "4": 3.0}
    found = squad.scores(gold, said, answerable=False, null_odds=odds, threshold=0.1)
    assert found["best_exact"] == found["exact_match"] == 1
    assert found["best_exact_thresh"] == 0.1
