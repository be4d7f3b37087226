"""The short version of `make chaos` for several workers."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos.blows import SUPERVISOR, Blow
from tests.chaos.clusters import Plan, run


@pytest.mark.slow
def test_the_chief_is_killed_and_all_start_again(data: Path, tmp_path: Path) -> None:
    blow = Blow("SIGKILL", signal.SIGKILL, SUPERVISOR)
    # The line of that step is written while its checkpoint is, and then the step is evaluated.
    plan = Plan(blow, victim=0, moment="in an evaluation", delay=0.0)
    counts = run(data, tmp_path, [plan], steps=12)
    assert counts.broken == []
    assert (counts.over, counts.compared) == (0, 1)
