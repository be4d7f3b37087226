"""The cluster of an Indexed Job of Kubernetes, alone or in a JobSet.

Kubernetes gives each pod its number in JOB_COMPLETION_INDEX, which is the worker's. The other
workers' names follow from a pattern:

- ELECTRA_CLUSTER_HOSTS: the pattern, with {index} for a worker's number, such as
  NAME-workers-0-{index}.NAME for the replicated job "workers" of the JobSet NAME, and
  NAME-{index}.SERVICE for the Indexed Job NAME with a headless service.
- ELECTRA_CLUSTER_SIZE: how many workers there are.
- ELECTRA_CLUSTER_PORT: their port; 2222 if it is not set.
"""

from __future__ import annotations

from collections.abc import Mapping

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.discovery.variables import first_of, shown, whole_number
from electra_cli.errors import ConfigError

INDEX = "JOB_COMPLETION_INDEX"
HOSTS = "ELECTRA_CLUSTER_HOSTS"
SIZE = "ELECTRA_CLUSTER_SIZE"
PORT = "ELECTRA_CLUSTER_PORT"
DEFAULT_PORT = 2222
NEEDED = ((HOSTS,), (SIZE,), (INDEX,))
HINT = (
    f"set {HOSTS}='NAME-workers-0-{{index}}.NAME' and {SIZE} in the pods of an Indexed Job; "
    "`electra launch --to jobset` writes such a manifest"
)

_MOST = 10_000


def is_shown(environment: Mapping[str, str]) -> bool:
    """Whether the environment describes a cluster in this way.

    A pod with nothing but an index may just as well prepare one slice of many, alone.
    """
    return first_of(environment, HOSTS, SIZE) is not None


def read(environment: Mapping[str, str]) -> Cluster:
    """Returns the cluster of the variables.

    Raises:
      ConfigError: One of them has no such value.
    """
    pattern = environment[HOSTS].strip()
    size = whole_number(environment[SIZE], SIZE, least=1, most=_MOST)
    index = whole_number(environment[INDEX], INDEX, most=size - 1)
    port = whole_number(environment.get(PORT) or DEFAULT_PORT, PORT, least=1, most=65535)
    if "{index}" not in pattern and size > 1:
        raise ConfigError(f"{HOSTS} is {shown(pattern)}, without {{index}}", hint=HINT)
    hosts = (pattern.replace("{index}", str(number)) for number in range(size))
    return Cluster(tuple(f"{host}:{port}" for host in hosts), index, HOSTS)
