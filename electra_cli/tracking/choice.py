"""The trackers of a run by their names, and whether their libraries are there."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable

from electra_cli.errors import ConfigError
from electra_cli.tracking.process import TrackerProcess

# TensorBoard alone comes with TensorFlow, and runs in the process that trains.
TENSORBOARD = "tensorboard"
_CLASSES = {
    "wandb": "electra_cli.tracking.wandb_run:Wandb",
    "mlflow": "electra_cli.tracking.mlflow_run:MLflow",
    "trackio": "electra_cli.tracking.trackio_run:Trackio",
}


def check_installed(names: Iterable[str]) -> None:
    """Makes sure that trackers can be used, without the cost of importing them.

    Args:
      names: Trackers, as `RuntimeConfig.trackers` gives them.

    Raises:
      ConfigError: The library of one is not installed.
    """
    for name in names:
        for package in () if name == TENSORBOARD else _packages(name):
            spec = importlib.util.find_spec(package)
            if spec is None or spec.origin is None:  # a folder of that name is no library
                raise ConfigError(
                    f"runtime.track {name!r} needs the package {package}, which is not installed",
                    hint=f"pip install '.[{name}]', or leave it out: --track {TENSORBOARD}",
                )


def _packages(name: str) -> Iterable[str]:
    yield name
    if name == "mlflow" and "MLFLOW_TRACKING_URI" not in os.environ:
        yield from ("sqlalchemy", "alembic")  # for the database in the run folder


def processes_of(names: Iterable[str]) -> list[TrackerProcess]:
    """The trackers that run in processes of their own, not started yet."""
    return [TrackerProcess(name, _CLASSES[name]) for name in names if name != TENSORBOARD]
