"""Environment variables: every key has one, and what is like one is not passed over."""

from __future__ import annotations

import pytest

from electra_cli.config.schema import leaf_fields
from electra_cli.config.variables import OTHERS, keys_in, variable_of
from electra_cli.errors import ConfigError


def test_every_key_has_a_variable() -> None:
    names = {key: variable_of(key) for key in leaf_fields()}
    assert names["train.batch_size"] == "ELECTRA_TRAIN__BATCH_SIZE"
    assert keys_in(dict.fromkeys(names.values(), "1"), names) == names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ELECTRA_BATCH_SIZE", "ELECTRA_TRAIN__BATCH_SIZE"),
        ("ELECTRA_TRAIN_STEPS", "ELECTRA_TRAIN__STEPS"),
        ("ELECTRA_TRAIN___STEPS", "ELECTRA_TRAIN__STEPS"),
        ("ELECTRA__TRAIN__STEPS", "ELECTRA_TRAIN__STEPS"),
        ("ELECTRA_TRAIN__BATCHSIZE", "ELECTRA_TRAIN__BATCH_SIZE"),
        ("ELECTRA_TRAIN__LEARNING_RATE", "ELECTRA_OPTIMIZER__LEARNING_RATE"),
        ("ELECTRA_train__steps", "ELECTRA_TRAIN__STEPS"),
        ("electra_train__steps", "ELECTRA_TRAIN__STEPS"),
        ("electra_batch_size", "ELECTRA_TRAIN__BATCH_SIZE"),
        ("ELECTRA_CLUSTER_HOST", "ELECTRA_CLUSTER_HOSTS"),  # no key, but of this program
        ("ELECTRA_LERNING_RATE", "ELECTRA_OPTIMIZER__LEARNING_RATE"),
    ],
)
def test_a_name_that_is_no_key_is_an_error_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError) as error:
        keys_in({name: "4", "PATH": "/bin"}, leaf_fields())
    assert name in error.value.message
    assert error.value.hint == f"did you mean {near}?"


def test_without_a_near_one_the_hint_says_how_names_are_written() -> None:
    with pytest.raises(ConfigError) as error:
        keys_in({"ELECTRA_XYZZY": "4"}, leaf_fields())
    assert "ELECTRA_TRAIN__STEPS" in error.value.hint
    assert "env -u ELECTRA_XYZZY electra" in error.value.hint


@pytest.mark.parametrize(
    "name",
    [
        *sorted(OTHERS),
        "ELECTRA_PORT_80_TCP_ADDR",  # Kubernetes, for services called electra and electra-train
        "ELECTRA_TRAIN_SERVICE_HOST",
        "ELECTRA_TRAIN_PORT",
        "electra_home",  # a variable of somebody's shell
        "ELECTRON_TRAIN__STEPS",
    ],
)
def test_names_of_others_are_left_alone(name: str) -> None:
    assert keys_in({name: "4"}, leaf_fields()) == {}


def test_a_name_in_two_sections_is_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict.fromkeys(["train.steps", "finetune.steps"])
    monkeypatch.setattr("electra_cli.config.variables.leaf_fields", lambda *root: known)
    with pytest.raises(ConfigError) as error:
        keys_in({"ELECTRA_STEPS": "4"}, leaf_fields())
    assert error.value.hint == "did you mean ELECTRA_TRAIN__STEPS or ELECTRA_FINETUNE__STEPS?"
