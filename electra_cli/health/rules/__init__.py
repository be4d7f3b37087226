"""The rules of health, each in the order in which a person would ask."""

from __future__ import annotations

from electra_cli.health.rule import Rule
from electra_cli.health.rules.settings import HighRate, LongWarmup, Padding, Truncation

RULES: tuple[type[Rule], ...] = (
    LongWarmup,
    HighRate,
    Padding,
    Truncation,
)
