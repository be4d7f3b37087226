"""The cluster of TF_CONFIG, TensorFlow's own variable.

Vertex AI and its predecessors call the first machine chief or master and number the workers beside
it from 0 (https://cloud.google.com/ai-platform/training/docs/distributed-training-details): here
the chief becomes worker 0, and worker 0 worker 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.discovery.variables import missing, shown, whole_number
from electra_cli.config.nearest import nearest
from electra_cli.errors import ConfigError

VARIABLE = "TF_CONFIG"
NEEDED = ((VARIABLE,),)
HINT = 'export TF_CONFIG=\'{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}\', with its own index for each worker'  # noqa: E501

_CHIEFS = ("chief", "master")
_REFUSED = {
    "ps": "there are no parameter servers: workers exchange gradients among themselves",
    "evaluator": "there is no evaluator of its own: the workers evaluate",
}


def is_shown(environment: Mapping[str, str]) -> bool:
    """Whether the environment describes a cluster in this way."""
    if missing(environment, NEEDED):
        return False
    try:
        config = json.loads(environment[VARIABLE])
    except (ValueError, RecursionError):
        return True  # and `read` says what is wrong
    # Services that start one machine set it too, with nothing in it or with a task alone.
    return not isinstance(config, dict) or config.get("cluster", {}) != {}


def read(environment: Mapping[str, str]) -> Cluster:
    """Returns the cluster of TF_CONFIG.

    Raises:
      ConfigError: It cannot be understood, or has tasks other than chief and worker.
    """
    text = environment[VARIABLE]
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{VARIABLE} is no JSON: {error}: {shown(text)}", hint=HINT) from None
    jobs = _part(_part(config, VARIABLE), VARIABLE, "cluster")
    task = _part(config, VARIABLE, "task")
    for name in jobs:
        _check_kind(name, f"{VARIABLE}: cluster")
    chiefs = [name for name in _CHIEFS if name in jobs]
    if len(chiefs) > 1:
        raise ConfigError(f"{VARIABLE} has {' and '.join(chiefs)}: which is worker 0?", hint=HINT)
    addresses = [address for name in chiefs for address in _addresses(jobs, name)]
    if len(addresses) > 1:
        raise ConfigError(
            f"{VARIABLE}: cluster.{chiefs[0]} has {len(addresses)} addresses and can have one",
            hint="list the others under worker",
        )
    workers = _addresses(jobs, "worker") if "worker" in jobs or not chiefs else []
    kind = task.get("type")
    if not isinstance(kind, str):
        raise ConfigError(f"{VARIABLE}: task.type is {shown(kind)}", hint=HINT)
    _check_kind(kind, f"{VARIABLE}: task.type")
    if kind not in jobs:
        raise ConfigError(
            f"{VARIABLE}: task.type is {kind!r}, and cluster has only {', '.join(jobs)}", hint=HINT
        )
    number = len(workers) if kind == "worker" else 1
    index = whole_number(task.get("index"), f"{VARIABLE}: task.index", most=number - 1, hint=HINT)
    if kind == "worker":
        index += len(addresses)
    return Cluster((*addresses, *workers), index, VARIABLE)


def _part(value: Any, origin: str, key: str | None = None) -> dict[str, Any]:
    """A value, or what it has under a key, if that is an object with something in it."""
    if key is not None:
        origin, value = f"{origin}: {key}", value.get(key)
    if not isinstance(value, dict) or not value:
        found = "missing" if value is None else shown(value)
        raise ConfigError(f"{origin} is {found}, and should be an object with keys", hint=HINT)
    return value


def _addresses(jobs: Mapping[str, Any], name: str) -> list[str]:
    found = jobs.get(name)
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(address, str) for address in found)
    ):
        raise ConfigError(
            f"{VARIABLE}: cluster.{name} is {shown(found)}, and should be a list of host:port",
            hint=HINT,
        )
    return found


def _check_kind(name: str, origin: str) -> None:
    """Refuses what is neither a chief nor a worker."""
    if name in _REFUSED:
        raise ConfigError(
            f"{origin} names {name!r}, and {_REFUSED[name]}",
            hint=f"leave {name} out of {VARIABLE} and start no such task (on Vertex AI: worker "
            "pools 0 and 1 alone), or --cluster none to train alone",
        )
    if name not in (*_CHIEFS, "worker"):
        near = nearest(name, ("worker", "chief")) or "worker"
        raise ConfigError(f"{origin} names {shown(name)}", hint=f"did you mean {near}? {HINT}")
