"""Tests of what is checked once a run folder is locked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from electra_cli.config.schema import Config
from electra_cli.errors import IOFailedError
from electra_cli.training.plan import readiness


@pytest.mark.parametrize(
    ("stop", "there", "checkpoints"),
    [(None, 0, 6), (None, 5, 1), (10_000, 0, 6), (2_000, 0, 3), (2_000, 5, 1), (0, 1, 0)],
)
def test_space_is_asked_for_the_checkpoints_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int | None, there: int, checkpoints: int
) -> None:
    config = Config()  # a checkpoint every 1,000 updates, of which five are kept
    plan: Any = SimpleNamespace(
        config=config,
        run=SimpleNamespace(path=tmp_path, all_checkpoints=lambda: [None] * there),
        start=0,
        stop=stop,
        has_begun=there > 0,
    )
    needed = int(1.2 * readiness.checkpoint_bytes(config) * checkpoints)
    usage = SimpleNamespace(free=needed)
    monkeypatch.setattr(readiness.shutil, "disk_usage", lambda path: usage)
    readiness.check_space(plan)
    usage.free = needed - 1
    if checkpoints:
        with pytest.raises(IOFailedError, match=f"{usage.free:,} bytes free"):
            readiness.check_space(plan)
