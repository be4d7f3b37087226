"""Gin bindings: what can be bound, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import gin
import pytest
from gin import config as gin_config

from electra_cli.errors import ConfigError, ElectraError, InputMissingError
from electra_cli.inputs.masking import mask_tokens
from electra_cli.optimization.schedule import ElectraSchedule
from electra_cli.training.plan.experiment import BINDABLE, bind_gin

MASKING = "--gin-param 'mask_tokens.mask_token_probability = 0.85'"
POWER = "--gin-param 'ElectraSchedule.power = 1.0'"
BOTH = f"{MASKING} or {POWER}; all else has a key: --set KEY=VALUE"


@pytest.fixture(autouse=True)
def _no_binding_stays():
    gin.clear_config()
    yield
    gin.clear_config()


def test_bindable_is_what_is_marked_and_only_that() -> None:
    assert ElectraSchedule(0.1, 10, 1).course.power == BINDABLE["ElectraSchedule.power"]
    for name, default in BINDABLE.items():
        assert f"{name.partition('.')[2]} = 0.5" in bind_gin([], [f"{name} = 0.5"])
        bind_gin([], [f"{name} = {default}"])
    ours = {
        f"{name}.{parameter}"
        for name, wrapped in (("mask_tokens", mask_tokens), ("ElectraSchedule", ElectraSchedule))
        for parameter in gin_config._REGISTRY.get_match(name).allowlist
        if wrapped
    }
    assert ours == set(BINDABLE)


@pytest.mark.parametrize(
    ("binding", "hint"),
    [
        ("nothing.at_all = 1", BOTH),
        ("mask_tokens.mask_token_probabilty = 0.5", BOTH),
        ("ElectraSchedule.warmup_steps = 3", BOTH),
        ("mask_tokens.mask_token_probability = a b", BOTH),
        ("import no_such_module", BOTH),
        ("mask_tokens.mask_token_probability = '0.5'", MASKING),
        ("ElectraSchedule.power = None", POWER),
        ("mask_tokens.mask_token_probability = %none", BOTH),
    ],
)
def test_a_wrong_binding_says_the_right_one(binding: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        bind_gin([], [binding])
    assert error.value.hint == hint


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.gin").write_text("include 'no.gin'\n")
    for path in (tmp_path, tmp_path / "no.gin", tmp_path / "a.gin"):
        with pytest.raises(ElectraError) as error:
            bind_gin([path], [])
        assert isinstance(error.value, InputMissingError)
        assert path.name in error.value.message or "no.gin" in error.value.message
        assert error.value.hint
