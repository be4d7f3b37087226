"""Who writes what in a run of several workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.runs.role import Role
from electra_cli.runs.run_folder import RunFolder


@pytest.mark.parametrize(
    ("kind", "index", "is_chief", "folder"),
    [
        ("chief", 0, True, "run"),
        ("worker", 0, True, "run"),
        ("worker", 2, False, "run/worker-2"),
        ("chief", 3, True, "run"),
        (None, None, True, "run"),
    ],
)
def test_the_first_writes_for_all(
    monkeypatch: pytest.MonkeyPatch,
    kind: str | None,
    index: int | None,
    is_chief: bool,
    folder: str,
) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps({"task": {"type": kind, "index": index}}))
    role = Role.of_environment()
    assert role == Role.of_task(kind, index)
    assert (role.is_alone, role.is_chief) == (False, is_chief)
    assert role.folder(RunFolder(Path("run"))).path == Path(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cluster": {}}', '{"task": {"index": 1}}'])
def test_alone_without_a_cluster(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    assert Role.of_environment() == Role()
    assert Role().is_alone
    assert Role().is_chief
