from __future__ import annotations

import os

import pytest

from electra_cli.environment import prepare_tensorflow


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
