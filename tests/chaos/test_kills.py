"""The short version of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.kills import cases, run_case


@pytest.mark.parametrize(
    ("command", "kills"), [("prepare-data", 5), ("pretrain", 1), ("export", 1)]
)
def test_killed_at_random_points(
    corpus: Path, data: Path, trained: Path, tmp_path: Path, command: str, kills: int
) -> None:
    case = cases(corpus, data, trained)[command]
    counts = run_case(case, tmp_path, kills=kills, seed=0)
    assert counts.kills >= kills
    assert counts.differing == []
