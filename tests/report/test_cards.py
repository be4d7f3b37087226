"""Findings gathered by name: what holds first, and all the times before."""

from __future__ import annotations

from electra_cli.health.finding import Finding
from electra_cli.report.cards import cards_of


def finding(name: str, since: int, until: int | None) -> Finding:
    return Finding(name, name, since, until, "", "", "")


def test_each_once_and_what_holds_first() -> None:
    over, again = finding("over", 5, 9), finding("again", 30, None)
    cards = cards_of([over, finding("again", 10, 20), finding("again", 30, 30), again])
    assert [(card.newest, card.holds) for card in cards] == [(again, True), (over, False)]
    assert cards[0].before == "from step 30 to 30, from step 10 to 20"
    assert cards[1].before == ""
    assert cards_of([]) == []


def test_of_very_many_times_a_few_are_named() -> None:
    [card] = cards_of([finding("again", step, step + 1) for step in range(50)])
    assert card.newest.since == 49
    assert card.before.endswith("and 46 more")
