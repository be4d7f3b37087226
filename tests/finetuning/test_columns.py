"""What is compared: from a run of ours, from one of its checkpoints, from weights of others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from electra_cli.errors import ConfigError
from electra_cli.finetuning.columns import plan_columns, weights_sha256
from electra_cli.sources.open import open_source


def columns(path: Path, *, every: bool = False, steps: Sequence[int] = (), **more: bool):
    item = open_source(path, scratch=path, needs_head=False)
    return plan_columns(item, path, every=every, steps=steps, **more)


def test_one_checkpoint_and_what_it_is_compared_with(trained: Path) -> None:
    found = columns(trained, random=True, probe=True)
    assert [(c.name, c.role, c.step, c.frozen) for c in found] == [
        ("step-12", "model", 12, False), ("probe-step-12", "probe", 12, True),
        ("random", "random", None, False),
    ]  # fmt: skip
    assert found[0].label == "step 12"
    whole = json.loads((trained / "result.json").read_text())["flops"]
    assert [c.flops for c in found] == [pytest.approx(whole), pytest.approx(whole), None]
    assert found[0].record["pretraining_flops"] == pytest.approx(whole)
    assert found[1].source is found[0].source
    assert found[2].source is None
    (one,) = columns(trained / "checkpoints" / "ckpt-4")
    assert (one.name, one.label, one.step) == ("step-4", "step 4", 4)


def test_checkpoints_of_a_run(trained: Path) -> None:
    every = columns(trained, every=True, probe=True)
    assert [(c.name, c.label, c.step) for c in every] == [
        ("step-0", "step 0", 0), ("step-4", "step 4", 4), ("step-8", "step 8", 8),
        ("step-12", "step 12", 12), ("probe-step-12", "frozen encoder of step 12", 12),
    ]  # fmt: skip
    sources = [weights_sha256(c.source) for c in every if c.source is not None]
    assert len(set(sources)) == 4
    some = columns(trained, steps=[8, 0, 8], probe=True)
    assert [(c.name, c.step) for c in some] == [("step-0", 0), ("step-8", 8), ("probe-step-8", 8)]
    with pytest.raises(ConfigError, match="no checkpoint of step 5") as caught:
        columns(trained, steps=[4, 5, 6])
    assert "--steps 0,4,8,12;" in caught.value.hint
    with pytest.raises(ConfigError, match="is one checkpoint"):
        columns(trained / "checkpoints" / "ckpt-4", every=True)


def test_moved_weights_are_the_same(trained: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(trained, tmp_path / "moved"))
    first, second = (
        [weights_sha256(c.source) for c in columns(path, every=True) if c.source is not None]
        for path in (trained, moved)
    )
    assert first == second
