"""Findings of a run, each once, with all the times when it held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from electra_cli.errors import listed
from electra_cli.health.finding import Finding


@dataclass(frozen=True)
class Card:
    """A finding of a run, and all the times when it held.

    Attributes:
      newest: The last of them.
      before: The others, in words.
      holds: Whether it still does.
    """

    newest: Finding
    before: str
    holds: bool


def cards_of(findings: Sequence[Finding]) -> list[Card]:
    """Gathers findings by name, those that hold first."""
    by_name: dict[str, list[Finding]] = {}
    # One may begin again at the step where it ended: what holds is the newest.
    newest_first = sorted(findings, key=lambda f: (f.until is None, f.since), reverse=True)
    for finding in newest_first:
        by_name.setdefault(finding.name, []).append(finding)
    cards = [
        Card(newest, listed([_period(finding) for finding in rest]), newest.until is None)
        for newest, *rest in by_name.values()
    ]
    return sorted(cards, key=lambda card: (not card.holds, card.newest.since))


def _period(finding: Finding) -> str:
    return f"from step {finding.since:,} to {finding.until:,}"
