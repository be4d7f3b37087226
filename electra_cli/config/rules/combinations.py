"""Values of several keys that contradict each other, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from electra_cli.config.rules.schedules import DECAYS_AT_THE_END, NEED_AN_END
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from electra_cli.config.schema import Config

Contradiction = tuple[bool, str, str]  # whether it is there, what contradicts what, what to type


def check_combinations(config: Config) -> None:
    """Refuses what cannot be trained together.

    Raises:
      ConfigError: The first contradiction.
    """
    for group in (_schedule, _objective, _generator):
        for is_there, reason, hint in group(config):
            if is_there:
                raise ConfigError(reason, hint=hint)


def _schedule(config: Config) -> Iterator[Contradiction]:
    steps, chosen = config.train.steps, config.optimizer
    name, decay = chosen.schedule, chosen.decay_steps
    yield (
        steps is None and name in NEED_AN_END,
        f"train.steps null with optimizer.schedule {name}: the rate falls up to the last update, "
        "and there is none",
        "--steps N, or --set optimizer.schedule=wsd",
    )
    for key, is_set in (
        (f"decay_steps {decay}", decay is not None),
        (f"decay_shape {chosen.decay_shape}", chosen.decay_shape != "linear"),
    ):
        yield (
            is_set and name != DECAYS_AT_THE_END,
            f"optimizer.{key} with optimizer.schedule {name}: only wsd has a decay of its own",
            f"--set optimizer.schedule={DECAYS_AT_THE_END}, or leave optimizer.{key.split()[0]} "
            "out",
        )
    yield (
        decay is not None and steps is not None and decay > steps,
        f"optimizer.decay_steps {decay} is more than train.steps {steps}",
        f"--set optimizer.decay_steps={steps}, or --steps {decay}",
    )


def _objective(config: Config) -> Iterator[Contradiction]:
    objective = config.objective
    name = objective.name
    yield (
        name == "electric" and objective.masking != "token",
        f"objective.masking {objective.masking} with objective.name electric: Electric compares "
        "tokens with its generator's, one by one, and has no masks of words or spans",
        "--set objective.masking=token, or --set objective.name=electra",
    )
    yield from _electric(config)
    yield from _drawing(config)
    yield (
        objective.uniform_generator and name != "electra",
        f"objective.uniform_generator with objective.name {name}: only electra can do without a "
        "generator that learns",
        "--set objective.uniform_generator=false, or --set objective.name=electra",
    )


def _drawing(config: Config) -> Iterator[Contradiction]:
    """What is said of drawn tokens where none are drawn, or none from logits."""
    objective = config.objective
    is_mlm, is_uniform = objective.name == "mlm", objective.uniform_generator
    yield (
        is_mlm and objective.disallow_correct,
        "objective.disallow_correct with objective.name mlm: no tokens are drawn",
        "--set objective.disallow_correct=false, or --set objective.name=electra",
    )
    yield (
        (is_mlm or is_uniform) and objective.temperature != 1,
        f"objective.temperature {objective.temperature} with "
        + (
            "objective.name mlm: no tokens are drawn"
            if is_mlm
            else "objective.uniform_generator: all tokens are equally likely at every temperature"
        ),
        "--set objective.temperature=1, or --set objective.name=electra --set "
        "objective.uniform_generator=false",
    )
    yield (
        objective.temperature == 1 and objective.temperature_decay_steps > 0,
        f"objective.temperature_decay_steps {objective.temperature_decay_steps} with "
        "objective.temperature 1: the temperature falls to 1, and is 1 already",
        "--set objective.temperature=2, for example, or leave objective.temperature_decay_steps "
        "out",
    )


def _electric(config: Config) -> Iterator[Contradiction]:
    """What an energy that is learned against two towers leaves no room for."""
    generator, objective = config.generator, config.objective
    from_noise = "the energies are right only if tokens are drawn from what the generator says"
    yield (
        objective.name == "electric" and generator.frozen is not None,
        "generator.frozen with objective.name electric: its towers have to learn",
        "--set generator.frozen=null",  # electra asks for another generator.sharing then
    )
    for key, is_set, value, why in (
        ("generator.sharing", generator.sharing != "tied", "tied", "its towers share all tables"),
        ("objective.disallow_correct", objective.disallow_correct, "false", from_noise),
        ("objective.temperature", objective.temperature != 1, "1", from_noise),
        (
            "model.document_attention",
            config.model.document_attention,
            "false",
            "its towers hand a token what they say of its neighbours, across documents too",
        ),
    ):
        yield (
            objective.name == "electric" and is_set,
            f"{key} with objective.name electric: {why}",
            f"--set {key}={value}, or --set objective.name=electra",
        )


def _generator(config: Config) -> Iterator[Contradiction]:
    generator = config.generator
    is_alone = len(config.objective.networks) < 2
    for key, value, is_set in (
        ("generator.frozen", generator.frozen, generator.frozen is not None),
        ("generator.sharing", generator.sharing, generator.sharing != "tied"),
    ):
        yield (
            is_alone and is_set,
            f"{key} {value} with "
            + (
                "objective.uniform_generator"
                if config.objective.uniform_generator
                else f"objective.name {config.objective.name}"
            )
            + ": there is no generator beside another network",
            f"leave {key} out, or --set objective.name=electra --set "
            "objective.uniform_generator=false",
        )
    yield (
        generator.sharing == "all" and (generator.size, generator.layers) != (1, 1),
        f"generator.size {generator.size:g} and generator.layers {generator.layers:g} with "
        "generator.sharing all: one encoder is both networks, which have the same sizes",
        "--set generator.size=1 --set generator.layers=1, or --set generator.sharing=tied",
    )
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
