"""Rows and FLOPs of runs whose configuration was changed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.schema import Config
from electra_cli.modeling.budget import flops_by_step
from electra_cli.runs.branch import BranchRecord
from electra_cli.runs.changes import record_changes
from electra_cli.runs.run_folder import RunFolder
from electra_cli.runs.totals import totals_by_step

BATCH = "train.batch_size"
SMALL = Config().replaced({BATCH: 16, "train.accumulation_steps": 2})
LARGE = SMALL.replaced({BATCH: 32})
WIDE = LARGE.replaced({"generator.size": 0.5})


def a_step(config: Config) -> float:
    return flops_by_step(config)(1)


def made(folder: Path, *changes: tuple[int, str, Any, Any]) -> RunFolder:
    run = RunFolder(folder)
    for step, key, was, now in changes:
        record_changes([(key, was, now)], step=step, path=run.changes)
    return run


@pytest.mark.parametrize(
    ("changes", "step", "parts"),
    [
        ([], 10, [(WIDE, 10)]),
        ([(9, BATCH, 16, 32)], 10, [(SMALL, 9), (WIDE, 1)]),
        ([(9, BATCH, 16, 32)], 9, [(SMALL, 9)]),
        ([(9, BATCH, 16, 32)], 4, [(SMALL, 4)]),
        (
            [(4, BATCH, 16, 32), (6, "generator.size", 0.25, 0.5)],
            10,
            [(SMALL, 4), (LARGE, 2), (WIDE, 4)],
        ),
        # It went on before the step of the first change, whose updates were lost.
        (
            [(6, BATCH, 16, 32), (4, "generator.size", 0.25, 0.5)],
            10,
            [(SMALL, 4), (WIDE, 6)],
        ),
        # Nothing that counts.
        ([(6, "train.log_every", 5, 10)], 10, [(WIDE, 10)]),
    ],
)
def test_each_update_counts_as_it_was_made(
    tmp_path: Path, changes: list[Any], step: int, parts: list[tuple[Config, int]]
) -> None:
    keys = {key for _, key, _, _ in changes}
    # What no change leads to was so from the beginning.
    usual = {} if "generator.size" in keys else {"generator.size": 0.5}
    parts = [(config.replaced(usual), updates) for config, updates in parts]
    found = totals_by_step(WIDE, made(tmp_path, *changes))(step)
    assert found.rows == sum(config.train.batch_size * updates for config, updates in parts)
    assert found.flops == pytest.approx(sum(a_step(config) * n for config, n in parts))


def test_a_branch_counts_what_it_copied(tmp_path: Path) -> None:
    """As its source had counted it, which may be gone."""
    record = BranchRecord(
        source="s", checkpoint="c", step=7, state_sha256="", decay_steps=5, rows=100, flops=1e6
    )
    totals = totals_by_step(LARGE, made(tmp_path, (9, BATCH, 16, 32)), record)
    assert totals(7) == (100, 1e6)
    assert totals(10).rows == 100 + 2 * 16 + 32
    assert totals(10).flops == pytest.approx(1e6 + 2 * a_step(SMALL) + a_step(LARGE))
