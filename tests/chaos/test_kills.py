"""The short version of `make chaos`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kills import cases, run_case
from tests.chaos.victims import Victims


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    with Victims(tmp_path_factory.mktemp("victims")) as started:
        yield started


# The seeds are such that pretrain and finetune are killed in a save. Of evaluate, which writes
# nothing, there is test_stopped_commands.py.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "kills", "seed"),
    [
        ("prepare-data", 3, 0),
        ("pretrain", 1, 12),
        ("finetune", 1, 0),
        ("export", 1, 0),
    ],
)
def test_killed_at_random_points(
    victims: Victims, corpus: Path, data: Path, trained: Path, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory, command: str, kills: int, seed: int,
) -> None:  # fmt: skip
    case = cases(corpus, data, trained, tmp_path_factory.mktemp("labelled"))[command]
    counts = run_case(victims, case, tmp_path, kills=kills, seed=seed)
    assert counts.kills >= kills
    assert counts.broken == []
