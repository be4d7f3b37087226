"""A tracker whose library is missing is told before anything is written."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import ConfigError
from electra_cli.tracking.choice import check_installed
from tests.conftest import Electra


def without(package: str, monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None = None) -> None:
    find = importlib.util.find_spec

    def found(name: str, *more: Any) -> ModuleSpec | None:
        return spec if name == package else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", found)


@pytest.mark.parametrize("package", ["wandb", "trackio", "mlflow"])
def test_a_library_that_is_missing(
    package: str, electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(package, monkeypatch)
    run = tmp_path / "run"
    command = ["pretrain", "--preset", "tiny", "--model-dir", run, "--json"]
    result = electra(*command, "--track", "tensorboard", "--track", package)
    result.failed(2, f"needs the package {package}", f"pip install '.[{package}]'")
    assert not run.exists()


def test_a_folder_of_that_name_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    without("wandb", monkeypatch, ModuleSpec("wandb", None, is_package=True))
    with pytest.raises(ConfigError, match="needs the package wandb"):
        check_installed(["wandb"])


def test_mlflow_needs_a_database_only_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    without("sqlalchemy", monkeypatch)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ConfigError, match="needs the package sqlalchemy"):
        check_installed(["mlflow"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    check_installed(["mlflow", "tensorboard"])
