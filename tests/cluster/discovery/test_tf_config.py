"""TF_CONFIG: workers alone, a chief beside them, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from electra_cli.cluster.discovery import tf_config
from electra_cli.errors import ConfigError

WORKERS = {"worker": ["a:1", "b:1"]}
# The layout of Vertex AI, with the other keys that it has.
CHIEF = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}


def config(cluster: Any, kind: Any, index: Any, **others: Any) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}, **others})


@pytest.mark.parametrize(
    ("text", "addresses", "index"),
    [
        (config(WORKERS, "worker", 1), "a:1 b:1", 1),
        (config(WORKERS, "worker", "1"), "a:1 b:1", 1),
        (config(CHIEF, "chief", 0, environment="cloud", job={}), "c:1 a:1 b:1", 0),
        (config(CHIEF, "worker", 0), "c:1 a:1 b:1", 1),
        (config(CHIEF, "worker", "1"), "c:1 a:1 b:1", 2),
        (config({"worker": ["a:1"], "master": ["c:1"]}, "worker", 0), "c:1 a:1", 1),
        (config({"chief": ["c:1"]}, "chief", 0), "c:1", 0),
    ],
)
def test_layouts(text: str, addresses: str, index: int) -> None:
    cluster = tf_config.read({"TF_CONFIG": text})
    assert cluster.addresses == tuple(addresses.split())
    assert (cluster.index, cluster.origin) == (index, "TF_CONFIG")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON: Expecting property name"),
        ("a:1,b:1", "'a:1,b:1'"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "TF_CONFIG is [], and should be an object"),
        ("null", "missing"),
        ("{}", "{}"),
        ('{"task": {}}', "cluster is missing"),
        (config({}, "worker", 0), "cluster is {}"),
        (config([], "worker", 0), "cluster is []"),
        (json.dumps({"cluster": WORKERS}), "task is missing"),
        (json.dumps({"cluster": WORKERS, "task": "worker"}), "task is 'worker'"),
        (json.dumps({"cluster": WORKERS, "task": {"index": 0}}), "task.type is None"),
        (json.dumps({"cluster": WORKERS, "task": {"type": "worker"}}), "task.index is None"),
        (config(WORKERS, 1, 0), "task.type is 1"),
        (config(WORKERS, "worker", 2), "task.index is 2, which is no whole number from 0 to 1"),
        (config(WORKERS, "worker", -1), "task.index is -1"),
        (config(WORKERS, "worker", True), "task.index is True"),
        (config(WORKERS, "worker", 1.0), "task.index is 1.0"),
        (config(WORKERS, "worker", "one"), "task.index is 'one'"),
        (config(WORKERS, "worker", "9" * 5000), "task.index is '999"),
        (config(CHIEF, "chief", 1), "from 0 to 0"),
        (config(WORKERS, "chief", 0), "task.type is 'chief', and cluster has only worker"),
        (config({"worker": []}, "worker", 0), "cluster.worker is []"),
        (config({"worker": "a:1,b:1"}, "worker", 0), "cluster.worker is 'a:1,b:1'"),
        (config({"worker": {"0": "a:1"}}, "worker", 0), "cluster.worker is {'0': 'a:1'}"),
        (config({"worker": ["a:1", 2]}, "worker", 0), "cluster.worker is ['a:1', 2]"),
        (config({"worker": ["a:1", "b"]}, "worker", 0), "worker 1 a bad address: 'b'"),
        (config({"worker": ["a:1", "A:1"]}, "worker", 0), "two workers one address"),
        (config({"chief": ["a:1", "b:1"]}, "chief", 0), "cluster.chief has 2 addresses"),
        (config({**CHIEF, "master": ["d:1"]}, "chief", 0), "has chief and master"),
    ],
)
def test_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tf_config.read({"TF_CONFIG": text})
    assert words in caught.value.message
    assert caught.value.message.startswith("TF_CONFIG")
    assert len(caught.value.message) < 300
    assert caught.value.hint


@pytest.mark.parametrize(
    ("cluster", "kind", "words", "hint"),
    [
        ({**CHIEF, "ps": ["p:1"]}, "worker", "cluster names 'ps'", "leave ps out of TF_CONFIG"),
        ({**CHIEF, "evaluator": ["p:1"]}, "chief", "cluster names 'evaluator'", "leave evaluator"),
        (CHIEF, "evaluator", "task.type names 'evaluator'", "--cluster none"),
        (CHIEF, "ps", "task.type names 'ps'", "worker pools 0 and 1"),
        ({"workers": ["a:1"]}, "worker", "cluster names 'workers'", "did you mean worker?"),
        (CHIEF, "Chief", "task.type names 'Chief'", "did you mean chief?"),
    ],
)
def test_other_kinds_of_tasks(cluster: Any, kind: str, words: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        tf_config.read({"TF_CONFIG": config(cluster, kind, 0)})
    assert hint in caught.value.hint
