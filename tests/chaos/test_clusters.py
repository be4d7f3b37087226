"""The short version of `make chaos` for several workers: what no other test lets happen to them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos.blows import DROPPED, TRAINER, Blow
from tests.chaos.clusters import Plan, Trials
from tests.conftest import needs_root


@pytest.mark.slow
@needs_root
def test_killed_in_a_save_then_cut_off(data: Path, tmp_path: Path) -> None:
    trials = Trials(data, tmp_path)
    killed = Blow("SIGKILL trainer", signal.SIGKILL, TRAINER)
    trials.meet(Plan(killed, victim=0, moment="in a save", delay=0.0))
    trials.meet(Plan(DROPPED, victim=1, moment="between steps", delay=0.0))
    assert trials.counts.over == 0
