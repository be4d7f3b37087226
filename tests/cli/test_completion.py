"""What a shell is offered; it is asked at every press of a key, so nothing heavy may be loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from electra_cli.cli import options
from electra_cli.config.schema import leaf_fields
from electra_cli.training.devices.strategy import parse_device
from tests.cli.test_app import CHECK


@pytest.mark.parametrize(
    ("complete", "begin", "offered"),
    [
        (options.presets, "", ["base", "large", "small", "small-plus-plus", "tiny"]),
        (options.presets, "sm", ["small", "small-plus-plus"]),
        (options.presets, "nothing", []),
        (options.devices, "gpu", ["gpu", "gpu:0", "gpu:0,1"]),
        (options.precisions, "b", ["bfloat16"]),
        (options.networks, "", ["generator", "discriminator"]),
        (options.keys, "train.st", ["train.steps"]),
        (options.settings, "train.st", ["train.steps="]),
        (
            options.settings,
            "objective.masking=",
            [f"objective.masking={w}" for w in ("", "token", "span", "whole-word")],
        ),
        (options.settings, "runtime.xla=", [f"runtime.xla={w}" for w in ("", "true", "false")]),
        (options.limits, "disc_auc", ["disc_auc=", "disc_auc_reference="]),
    ],
)  # fmt: skip
def test_values(complete: options.Complete, begin: str, offered: list[str]) -> None:
    assert sorted(complete(begin)) == sorted(offered)


def test_all_keys_and_devices_are_ones_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}')
    assert options.keys("") == list(leaf_fields())
    for device in options.devices(""):
        assert parse_device(device).text == device


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("electra pretrain --preset t", "tiny"),
        ("electra export run --format saved", "saved-model"),
        ("electra evaluate run --fail-under masked_lm_l", "masked_lm_loss="),
        ("electra debug d", "data"),
    ],
)
def test_the_shell_is_answered_without_tensorflow(line: str, offered: str) -> None:
    """Bash asks through variables, and reads a value a line."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        env=os.environ | asked | {"_ELECTRA_COMPLETE": "complete_bash"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, [offered]), done.stderr
    assert "HEAVY []" in done.stderr
