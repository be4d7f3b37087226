"""Evaluations compiled as a whole, as on a GPU, find what those in pieces find."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from electra_cli.config.load import dump_config, read_config
from electra_cli.evaluation.evaluate import evaluate
from electra_cli.runs.named import find_checkpoints


@pytest.mark.slow
def test_the_metrics(trained: Path, tmp_path: Path, compiled: list[str]) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    config = read_config(run / "config.yaml")
    changed = dump_config(config.replaced({"runtime.xla": True}))
    (run / "config.yaml").write_text(changed)
    newest = find_checkpoints(trained)[-1], find_checkpoints(run)[-1]
    expected, found = evaluate(newest, device="cpu")
    assert compiled == ["evaluation_step"]
    assert found.metrics == pytest.approx(expected.metrics, rel=1e-4, nan_ok=True)
