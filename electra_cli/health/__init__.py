"""Named findings over the history of a run: what is wrong, what it means, what to try."""

from __future__ import annotations

from collections.abc import Mapping

from electra_cli.health.rules import RULES

FINDINGS: Mapping[str, str] = {rule.name: rule.title for rule in RULES}
"""The title of each finding by its name."""
