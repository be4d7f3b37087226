"""What the results of benchmarks/recipes.py say together: tables and pictures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from recipes_parts import plot, table
from recipes_parts.compare import difference, figure
from recipes_parts.results import Result

METRICS = ("masked_lm_loss", "disc_auc", "words")


def result(recipe: str, seed: int, **metrics: float | None) -> Result:
    return Result(recipe, seed, 100, 2e12, 60.0, 90.0, dict(metrics))


def test_differences_are_of_pairs() -> None:
    found = [
        *(result("a", seed, disc_auc=value) for seed, value in enumerate((0.5, 0.7, 0.6))),
        *(result("b", seed, disc_auc=value) for seed, value in enumerate((0.61, 0.8, 0.71))),
        result("b", 9, disc_auc=0.1),  # without a partner
        replace(result("a", 3), error="diverged"),
        result("c", 0, disc_auc=0.4),
    ]
    base = figure(found, "a", "disc_auc")
    assert (base.mean, base.deviation) == (pytest.approx(0.6), pytest.approx(0.1))
    assert list(base.values) == [0, 1, 2]
    apart = difference(found, "b", "a", "disc_auc")
    # 0.11, 0.10 and 0.11: a deviation of 0.00577, and Student's 4.303 of two degrees of freedom.
    assert (apart.mean, apart.pairs) == (pytest.approx(0.32 / 3), 3)
    assert apart.half == pytest.approx(4.3027 * 0.0057735 / math.sqrt(3), rel=1e-4)
    assert apart.verdict == "better"
    assert replace(apart, sign=-1).verdict == "worse"
    assert replace(apart, half=0.2).verdict == "not told apart"
    assert difference(found, "c", "a", "disc_auc").verdict == "too few seeds"
    shown = table.text(found, "a", ["disc_auc"])
    assert "| b | +0.1067 ± 0.0143, better |" in shown
    assert "| c | -0.1000 (too few seeds) |" in shown
    assert "Not of equal" not in table.text(found, "a", ["disc_auc"], 1.04)
    slow = [replace(one, seconds=66.0 if one.recipe == "b" else 60.0) for one in found]
    assert "**Not of equal wall clock**: against 1 minutes in updates, b +10%." in table.text(
        slow, "a", ["disc_auc"], 1.0
    )
    assert "Of 1 comparison 0.1 would be outside by chance if nothing differed; 1 is." in shown


def test_pictures(tmp_path: Path) -> None:
    found = [result(name, seed, disc_auc=0.5 + seed) for name in ("a", "b") for seed in (0, 1)]
    for results, words in (
        (found, (">a, ", ">b, ", " FLOPs<", "disc_auc")),
        ([], ("No run has finished",)),
    ):
        plot.write(results, "a", METRICS, tmp_path / "plot.svg", "Recipes")
        drawn = (tmp_path / "plot.svg").read_text()
        assert all(word in drawn for word in (*words, "Recipes"))
    assert table.text([], "a", METRICS) == "No run has finished yet."
