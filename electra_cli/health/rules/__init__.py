"""The rules of health, in the order in which a person would ask."""

from __future__ import annotations

from electra_cli.health.rule import Rule
from electra_cli.health.rules.discriminator import (
    ConstantDiscriminator,
    EasyDiscriminator,
    ReplacedRate,
    StrongGenerator,
)
from electra_cli.health.rules.generator import NotBetterThanUniform, Overfitting, UnigramPlateau
from electra_cli.health.rules.settings import HighRate, LongWarmup, Padding, Truncation
from electra_cli.health.rules.speed import ThroughputFell
from electra_cli.health.rules.steps import (
    GradientClipped,
    GradientRising,
    LossSpike,
    SkippedSteps,
)

RULES: tuple[type[Rule], ...] = (
    NotBetterThanUniform,
    UnigramPlateau,
    ConstantDiscriminator,
    EasyDiscriminator,
    StrongGenerator,
    ReplacedRate,
    LossSpike,
    GradientRising,
    GradientClipped,
    SkippedSteps,
    Overfitting,
    HighRate,
    LongWarmup,
    Padding,
    Truncation,
    ThroughputFell,
)
