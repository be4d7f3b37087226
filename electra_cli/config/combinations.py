"""Values of several keys that contradict each other, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from electra_cli.config.schema import Config

Contradiction = tuple[bool, str, str]  # whether it is there, what contradicts what, what to type


def check_combinations(config: Config) -> None:
    """Refuses what cannot be trained together.

    Raises:
      ConfigError: The first contradiction.
    """
    for group in (_objective, _generator):
        for is_there, reason, hint in group(config):
            if is_there:
                raise ConfigError(reason, hint=hint)


def _objective(config: Config) -> Iterator[Contradiction]:
    objective = config.objective
    name = objective.name
    yield (
        name == "electric" and objective.masking != "token",
        f"objective.masking {objective.masking} with objective.name electric: Electric compares "
        "tokens with its generator's, one by one, and has no masks of words or spans",
        "--set objective.masking=token, or --set objective.name=electra",
    )
    yield (
        objective.uniform_generator and name != "electra",
        f"objective.uniform_generator with objective.name {name}: only electra can do without a "
        "generator that learns",
        "--set objective.uniform_generator=false, or --set objective.name=electra",
    )


def _generator(config: Config) -> Iterator[Contradiction]:
    generator = config.generator
    yield (
        generator.embedding_size is not None and generator.sharing != "none",
        f"generator.embedding_size {generator.embedding_size} with generator.sharing "
        f"{generator.sharing}: the generator has no embeddings of its own",
        "--set generator.sharing=none, or leave generator.embedding_size out",
    )
    yield (
        generator.frozen is not None and generator.sharing != "none",
        f"generator.frozen {generator.frozen} with generator.sharing {generator.sharing}: what "
        "both networks share would have to learn and to stay",
        "--set generator.sharing=none",
    )
