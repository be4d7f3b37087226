"""Facts that workers compare."""

from __future__ import annotations

from typing import Any

import pytest

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.compare import check_same, differences
from electra_cli.cluster.member import Alone
from electra_cli.errors import ConfigError, DataError, ElectraError

FACTS = {
    "configuration": {"train.steps": 10, "train.seed": 0},
    "data": {"shards": "abc"},
    "vocabulary": {"tokens": "def"},
}


class Told(Alone):
    """A worker whose gather gives what a test says."""

    cluster = Cluster(("a:1", "b:2", "c:3"), 0, "a test")

    def __init__(self, *facts: Any) -> None:
        self.facts = list(facts)

    def gather(self, topic: str, value: Any) -> list[Any]:
        return self.facts


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        (
            FACTS | {"configuration": {"train.steps": 20, "train.seed": 1}},
            ConfigError,
            "worker 0 (a:1) and worker 2 (c:3) differ: configuration.train.steps is 10 and 20; "
            "configuration.train.seed is 0 and 1",
        ),
        (FACTS | {"data": {"shards": "xyz"}}, DataError, "data.shards is abc and xyz"),
        (FACTS | {"vocabulary": {"tokens": "x"}}, DataError, "vocabulary.tokens is def and x"),
        (FACTS | {"command": {}}, ConfigError, "command is nothing and {}"),
        ({"configuration": FACTS["configuration"]}, DataError, "data.shards is abc and nothing"),
        # What is wrong with the command comes first.
        (
            FACTS | {"configuration": {"train.steps": 20, "train.seed": 0}, "data": {}},
            ConfigError,
            "train.steps",
        ),
    ],
)
def test_a_difference_is_told_with_both_values(
    facts: dict[str, Any], kind: type[ElectraError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        check_same(Told(FACTS, FACTS, facts), FACTS)
    assert words in caught.value.message
    assert caught.value.hint


def test_the_same_and_a_single_one_are_well() -> None:
    check_same(Told(FACTS, FACTS, FACTS), FACTS)
    check_same(Alone(), FACTS)


def test_long_and_many_differences_are_cut() -> None:
    many = {str(key): "x" * 100 for key in range(9)}
    told = differences(many, {})
    assert "and 6 more" in told
    assert "x" * 61 not in told
