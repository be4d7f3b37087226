"""Fine-tuning compiled as a whole, as on a GPU, comes to what it comes to in pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Electra
from tests.finetuning.finished import Finished


@pytest.mark.slow
def test_training_and_scores(
    electra: Electra, answered: Finished, tmp_path: Path, compiled: list[str]
) -> None:
    folder = tmp_path / "compiled"
    command = answered.command("--set", "runtime.xla=true", output=folder)
    assert electra(*command).code == 0
    assert {"training_step", "evaluation_step"} <= set(compiled)
    (found,), (expected,) = runs_of(folder), runs_of(answered.folder)
    assert found["metrics"] == pytest.approx(expected["metrics"], rel=1e-3)
    assert found["seed"] == expected["seed"]
    evaluated = electra(
        "evaluate", folder, "--data", answered.files.dev, "--device", "cpu", "--json"
    )
    assert evaluated.json["models"][0]["metrics"] == pytest.approx(found["metrics"], rel=1e-6)


def runs_of(folder: Path) -> list[dict[str, Any]]:
    """What a fine-tuning's result says of its runs."""
    (column,) = json.loads((folder / "result.json").read_text())["columns"]
    return column["runs"]
