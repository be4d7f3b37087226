"""From `--cluster` and the environment to a cluster, or to none."""

from __future__ import annotations

from collections.abc import Mapping

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.discovery import indexed, slurm, tf_config
from electra_cli.cluster.discovery.variables import missing
from electra_cli.config.nearest import did_you_mean
from electra_cli.errors import ConfigError

_KINDS = {"tf-config": tf_config, "slurm": slurm, "indexed": indexed}

CHOICES = ("auto", "none", *_KINDS)
"""What `--cluster` takes."""


def find_cluster(choice: str, environment: Mapping[str, str]) -> Cluster | None:
    """Finds the cluster that this process is a worker of.

    Args:
      choice: One of CHOICES; "auto" takes what the environment shows.
      environment: All variables.

    Returns:
      It, or None where there is none, or none of more than one worker.

    Raises:
      ConfigError: The choice is none, the environment does not show what was chosen, what it shows
        is wrong, or it shows several clusters.
    """
    if choice not in CHOICES:
        hint = did_you_mean(choice, CHOICES, form="--cluster {}")
        raise ConfigError(f"unknown cluster {choice!r}", hint=hint)
    if choice == "none":
        return None
    if choice == "auto":
        chosen = [name for name, kind in _KINDS.items() if kind.is_shown(environment)]
    else:
        chosen = [choice]
    clusters = {name: _read(name, environment, chose=choice) for name in chosen}
    found = {name: cluster for name, cluster in clusters.items() if cluster.size > 1}
    if len(found) > 1:
        told = " and ".join(
            f"one of {cluster.size} workers ({name}, from {cluster.origin})"
            for name, cluster in found.items()
        )
        raise ConfigError(
            f"the environment shows {len(found)} clusters: {told}",
            hint=" or ".join(f"--cluster {name}" for name in found),
        )
    return next(iter(found.values()), None)


def _read(name: str, environment: Mapping[str, str], *, chose: str) -> Cluster:
    kind = _KINDS[name]
    if lacking := missing(environment, kind.NEEDED):
        raise ConfigError(
            f"--cluster {name} needs variables that are not set: {', '.join(lacking)}",
            hint=kind.HINT,
        )
    try:
        return kind.read(environment)
    except ConfigError as error:
        if chose != "auto":
            raise
        hint = f"{error.hint}; --cluster none takes no notice of it".removeprefix("; ")
        raise ConfigError(error.message, hint=hint) from error
