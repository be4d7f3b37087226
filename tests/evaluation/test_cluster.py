"""Evaluations by workers in processes of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from electra_cli.files.layout import CLUSTER_TOKEN_PATTERN
from tests.conftest import Electra
from tests.finetuning.finished import Finished
from tests.training.workers import ends, workers

pytestmark = pytest.mark.slow


def evaluate(command: list[str], code: int) -> dict[str, Any]:
    """What both of two workers print, of which one shows it."""
    with workers(command, command) as started:
        (chief, out, shown), (other, same, nothing) = ends(started)
    assert (chief, other, nothing) == (code, code, ""), (shown, nothing)
    assert "under the limit" in shown
    assert out == same
    return json.loads(out)


def numbers(metrics: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}


def test_a_run(electra: Electra, trained: Path) -> None:
    limits = ("--fail-under", "disc_auc=0.99")
    command = ["evaluate", str(trained), "--device", "cpu", "--json", *limits]
    (found,) = evaluate(command, 1)["checkpoints"]
    (expected,) = electra(*command).json["checkpoints"]
    assert (found["checkpoint"], found["step"]) == (expected["checkpoint"], 12)
    assert found["baselines"] == expected["baselines"]
    alike = pytest.approx(numbers(expected["metrics"]), rel=1e-6, abs=1e-6, nan_ok=True)
    assert numbers(found["metrics"]) == alike
    assert not list(trained.glob(CLUSTER_TOKEN_PATTERN))


def test_a_fine_tuned_model(classified: Finished) -> None:
    data, limits = str(classified.files.dev), ("--fail-under", "accuracy=1.01")
    run = classified.folder / "step-12" / "seed-1"
    command = ["evaluate", str(run), "--data", data, "--device", "cpu", "--json", *limits]
    (found,) = evaluate(command, 1)["models"]
    (expected,) = (r for r in classified.result["columns"][0]["runs"] if r["seed"] == 1)
    assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-6)
