from __future__ import annotations

import importlib.util
import os

import pytest

from electra_cli.environment import prepare_tensorflow, prepare_torch


@pytest.mark.parametrize(
    ("home", "keras_home", "expected"),
    [
        (None, None, os.devnull),
        (None, "/chosen", "/chosen"),
        ("/nonexistent", None, None),
    ],
)
def test_keras_keeps_nothing_for_a_user_without_a_home(
    monkeypatch: pytest.MonkeyPatch, home: str | None, keras_home: str | None, expected: str | None
) -> None:
    """As in a container that is started with a number: no HOME, and not in /etc/passwd."""
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    for name, value in (("HOME", home), ("KERAS_HOME", keras_home)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.environ", dict(os.environ))
    prepare_tensorflow()
    assert os.environ.get("KERAS_HOME") == expected


def test_torch_finds_no_triton_which_would_end_the_process() -> None:
    """TensorFlow is in this process, and a torch for GPUs imports Triton where it finds it."""
    prepare_torch()
    with pytest.raises(ImportError):
        importlib.import_module("triton")
    assert importlib.util.find_spec("triton") is None
