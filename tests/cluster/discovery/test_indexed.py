"""Indexed Jobs of Kubernetes, alone and in a JobSet."""

from __future__ import annotations

import pytest

from electra_cli.cluster.discovery import indexed
from electra_cli.errors import ConfigError

PODS = {
    "ELECTRA_CLUSTER_HOSTS": "run-workers-0-{index}.run",
    "ELECTRA_CLUSTER_SIZE": "3",
    "JOB_COMPLETION_INDEX": "2",
}


def test_pods() -> None:
    cluster = indexed.read(PODS)
    assert cluster.addresses == tuple(f"run-workers-0-{index}.run:2222" for index in range(3))
    assert (cluster.index, cluster.origin) == (2, "ELECTRA_CLUSTER_HOSTS")
    other = indexed.read({**PODS, "ELECTRA_CLUSTER_PORT": "4000", "ELECTRA_CLUSTER_SIZE": "12"})
    assert other.addresses[11] == "run-workers-0-11.run:4000"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"JOB_COMPLETION_INDEX": "3"}, "JOB_COMPLETION_INDEX is '3', which is no whole number"),
        ({"JOB_COMPLETION_INDEX": "-1"}, "from 0 to 2"),
        ({"ELECTRA_CLUSTER_SIZE": "0"}, "ELECTRA_CLUSTER_SIZE is '0'"),
        ({"ELECTRA_CLUSTER_SIZE": "1e9"}, "ELECTRA_CLUSTER_SIZE is '1e9'"),
        ({"ELECTRA_CLUSTER_SIZE": "999999999"}, "from 1 to 10000"),
        ({"ELECTRA_CLUSTER_PORT": "70000"}, "ELECTRA_CLUSTER_PORT is '70000'"),
        ({"ELECTRA_CLUSTER_HOSTS": "run"}, "'run', without {index}"),
        ({"ELECTRA_CLUSTER_HOSTS": "run-{index}:9"}, "a bad address: 'run-0:9:2222'"),
        ({"ELECTRA_CLUSTER_HOSTS": "run-{i}-{index}"}, "the host of 'run-{i}-0:2222' cannot be"),
    ],
)
def test_what_is_wrong(changed: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        indexed.read({**PODS, **changed})
    assert words in caught.value.message
    assert caught.value.hint
