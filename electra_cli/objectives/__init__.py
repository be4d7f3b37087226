"""What a run learns: one file an objective. Names are read here without TensorFlow.

To add one: a file with a subclass of `base.Objective`, its entry in `_OBJECTIVES` below, and its
name in config/choices.py and its networks in config/sections.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from electra_cli.config.choices import ObjectiveName
from electra_cli.config.sections import ObjectiveConfig
from electra_cli.objectives.base import Objective
from electra_cli.objectives.electra import Electra
from electra_cli.objectives.electric import Electric
from electra_cli.objectives.mlm import MaskedLanguageModelling
from electra_cli.objectives.uniform import UniformElectra

_OBJECTIVES: Mapping[ObjectiveName, type[Objective]] = {
    "electra": Electra,
    "mlm": MaskedLanguageModelling,
    "electric": Electric,
}


def objective_of(settings: ObjectiveConfig) -> Objective:
    """The objective of a configuration's section `objective`."""
    if settings.uniform_generator:
        return UniformElectra(settings)
    return _OBJECTIVES[settings.name](settings)


def all_objectives() -> list[Objective]:
    """Every objective there is, at default settings."""
    return [objective_of(ObjectiveConfig(name=name)) for name in _OBJECTIVES]


def metrics_of(objectives: Iterable[Objective], *, detail: bool = False) -> tuple[str, ...]:
    """Names of the metrics of objectives, each once.

    Args:
      objectives: Whose.
      detail: Also those by groups of tokens, after the others.
    """
    found = list(objectives)
    names = [name for objective in found for name in objective.metrics]
    if detail:
        names += [name for objective in found for name in objective.breakdowns]
    return tuple(dict.fromkeys(names))
