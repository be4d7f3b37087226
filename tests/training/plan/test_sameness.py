"""What workers compare before any of them begins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from electra_cli.cluster.compare import differences
from electra_cli.config.load import Override, load_config, parse_set
from electra_cli.training.plan.preflight import plan_run
from electra_cli.training.plan.sameness import facts_of
from tests.conftest import SMALL


def facts(
    data: Path, run: Path, *settings: str, stop_on: tuple[str, ...] = (), bindings: str = "",
    **options: Any,
) -> dict[str, Any]:  # fmt: skip
    overrides = [parse_set(text) for text in (*SMALL, *settings)]
    overrides.append(Override("train.steps", 12, "--steps"))
    loaded = load_config(preset="tiny", environment={}, overrides=overrides)
    plan = plan_run(loaded, data=data, model_dir=run, **options)
    return facts_of(plan, bindings=bindings, stop_on=stop_on)


def test_places_and_devices_are_each_machines_own(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    here = facts(data, tmp_path / "run", "runtime.device=cpu")
    assert facts(tmp_path / "data", tmp_path / "elsewhere", "runtime.device=gpu:1") == here
    assert {"vocabulary", "data", "configuration", "command"} == here.keys()


@pytest.mark.parametrize(
    ("settings", "more", "told"),
    [
        (("train.seed=1",), {}, "configuration.train.seed is 0 and 1"),
        (("runtime.xla=true",), {}, "configuration.runtime.xla is None and True"),
        ((), {"stop_at_step": 5}, "command.last step is 12 and 5"),
        ((), {"stop_on": ("divergence",)}, "command.--stop-on is [] and ['divergence']"),
        ((), {"bindings": "a.b = 1"}, "command.gin bindings is  and a.b = 1"),
    ],
)
def test_what_is_told(
    data: Path, tmp_path: Path, settings: tuple[str, ...], more: dict[str, Any], told: str
) -> None:
    run = tmp_path / "run"
    assert differences(facts(data, run), facts(data, run, *settings, **more)) == told


def test_first_weights_are_known_by_what_they_hold(
    data: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    checkpoints = [root / "checkpoints" for root in (trained, trained, tmp_path / "copy")]
    first, other, same = (
        facts(data, tmp_path / "run", init_from=folder / name)
        for folder, name in zip(checkpoints, ("ckpt-4", "ckpt-8", "ckpt-4"), strict=True)
    )
    assert first == same
    assert "--init-from.state.data" in differences(first, other)
    assert "--init-from" in differences(facts(data, tmp_path / "run"), first)
