"""runtime.track: which trackers a text names."""

from __future__ import annotations

import pytest

from electra_cli.config.load import Override, load_config
from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError
from electra_cli.runs.changes import config_sha256


def load(track: str, origin: str = "--track") -> Config:
    given = [Override("runtime.track", track, origin)]
    return load_config(preset="tiny", environment={}, overrides=given).config


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tensorboard", ("tensorboard",)),
        ("wandb, mlflow ,wandb", ("wandb", "mlflow")),
        ("none", ()),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert load(text).runtime.trackers == names


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("wanbd", "did you mean --track wandb?"),
        ("wandb,", "choose one of tensorboard, wandb, mlflow, trackio, none"),
        ("none,wandb", "--track none alone"),
    ],
)
def test_what_is_no_tracker(text: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=r"from ELECTRA_RUNTIME__TRACK") as error:
        load(text, "ELECTRA_RUNTIME__TRACK")
    assert repr(text) in error.value.message
    assert hint in error.value.hint


def test_it_decides_nothing_that_is_learned() -> None:
    assert config_sha256(load("none")) == config_sha256(load("wandb"))
