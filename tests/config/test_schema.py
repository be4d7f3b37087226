"""Types, bounds and the checks that join several keys."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from electra_cli.config.schema import Config, leaf_fields, sections
from electra_cli.errors import ConfigError


def wrong_values(annotation: Any) -> list[Any]:
    """Returns values that a key of this type must refuse."""
    if annotation is int:
        return ["8", 1.0, 1.5, True, None, [1], {"a": 1}, math.nan]
    if annotation == int | None:
        return ["8", 1.0, 1.5, True, [1], {"a": 1}, math.nan]
    if annotation is float:
        return ["0.5", "1e-5", True, None, [0.5], {"a": 1}, math.nan, math.inf]
    if bool in (annotation, *get_args(annotation)):
        return ["yes", 1, 0.5, [True], {"a": True}, *([None] if annotation is bool else [])]
    if get_origin(annotation) is Literal:
        return ["no such choice", 1, True, None, list(get_args(annotation))]
    if str in (annotation, *get_args(annotation)):
        return [1, 1.5, True, ["a"], {"a": "b"}, *([None] if annotation is str else [])]
    raise AssertionError(f"no mutations known for {annotation}")


WRONG = [
    pytest.param(key, value, id=f"{key}={value!r}")
    for key, field in leaf_fields().items()
    for value in wrong_values(field.annotation)
]

OUTSIDE = {"ge": -1, "gt": 0, "le": 1, "lt": 0}  # added to a bound, no longer allowed
OUT_OF_BOUNDS = [
    (key, getattr(bound, name) + step)
    for key, field in leaf_fields().items()
    for bound in field.metadata
    for name, step in OUTSIDE.items()
    if hasattr(bound, name)
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_wrong_type_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError) as error:
        Config().replaced({key: value})
    assert ".".join(str(part) for part in error.value.errors()[0]["loc"][:2]) == key


@pytest.mark.parametrize(("key", "value"), OUT_OF_BOUNDS)
def test_value_outside_its_bounds_is_refused(key: str, value: float) -> None:
    with pytest.raises(ValidationError):
        Config().replaced({key: value})


def test_all_numbers_have_bounds_and_all_fields_descriptions() -> None:
    for key, field in leaf_fields().items():
        assert field.description, key
        assert field.description.endswith("."), key
        if field.annotation in (int, float):
            assert field.metadata, key
    assert all(model.__doc__ for model in sections().values())


def test_integer_is_accepted_for_a_number() -> None:
    value = Config().replaced({"optimizer.learning_rate": 1}).optimizer.learning_rate
    assert value == 1.0
    assert isinstance(value, float)


def test_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        Config().replaced({"train.stepz": 1})


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        Config().train.steps = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("hidden", "size", "expected"),
    [
        (256, 0.25, (64, 1, 256)),
        (256, 1.0, (256, 4, 1024)),
        (768, 0.33333, (256, 4, 1024)),
        (1024, 0.25, (256, 4, 1024)),
        (128, 0.5, (64, 1, 256)),
        (64, 0.25, (16, 1, 64)),
    ],
)
def test_generator_sizes(hidden: int, size: float, expected: tuple[int, int, int]) -> None:
    config = Config().replaced({"model.hidden_size": hidden, "generator.size": size})
    assert config.generator_sizes == expected


@pytest.mark.parametrize(
    ("layers", "share", "expected"), [(12, 1.0, 12), (5, 0.5, 2), (7, 0.5, 4), (12, 1 / 12, 1)]
)
def test_generator_layers_round_halves_to_even(layers: int, share: float, expected: int) -> None:
    config = Config().replaced({"model.num_layers": layers, "generator.layers": share})
    assert config.generator_layers == expected


@pytest.mark.parametrize(
    ("probability", "length", "slots"),
    [(0.15, 128, 19), (0.15, 512, 79), (0.25, 512, 130)],
)
def test_max_predictions(probability: float, length: int, slots: int) -> None:
    config = Config().replaced(
        {"objective.mask_probability": probability, "data.sequence_length": length}
    )
    assert config.max_predictions == slots


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model.num_attention_heads": 3}, ["model.hidden_size 256", "num_attention_heads 3"]),
        ({"data.sequence_length": 513}, ["data.sequence_length 513", "embeddings 512"]),
        ({"generator.size": 0.52}, ["generator.size 0.52", "133", "2 heads"]),
        ({"generator.size": 0.001}, ["generator.size 0.001", "0 wide"]),
        ({"objective.mask_probability": 0.001}, ["mask_probability 0.001", "length 128"]),
        ({"train.batch_size": 9, "train.accumulation_steps": 2}, ["batch size 9", "use 8 or 10"]),
        ({"generator.layers": 0.01}, ["generator.layers 0.01", "without layers"]),
        ({"generator.sharing": "all"}, ["generator.size 0.25", "sharing all"]),
        (
            {"generator.sharing": "all", "generator.size": 1.0, "generator.layers": 0.5},
            ["generator.layers 0.5", "sharing all"],
        ),
        ({"generator.embedding_size": 64}, ["generator.embedding_size 64", "sharing tied"]),
        *(
            (alone | {"generator.sharing": sharing}, ["no generator beside", *alone])
            for alone in ({"objective.name": "mlm"}, {"objective.uniform_generator": True})
            for sharing in ("none", "disentangled")
        ),
        ({"objective.name": "mlm", "objective.disallow_correct": True}, ["no tokens are drawn"]),
        ({"objective.name": "mlm", "objective.temperature": 2.0}, ["no tokens are drawn"]),
        ({"objective.name": "mlm", "objective.uniform_generator": True}, ["only electra"]),
        (
            {"objective.uniform_generator": True, "objective.temperature": 2.0},
            ["objective.temperature 2.0", "equally likely"],
        ),
        ({"objective.temperature_decay_steps": 5}, ["temperature_decay_steps 5", "1 already"]),
        *(
            ({"objective.name": "electric", key: value}, [key, "electric"])
            for key, value in (
                ("objective.masking", "span"),
                ("objective.masking", "whole-word"),
                ("objective.uniform_generator", True),
                ("objective.disallow_correct", True),
                ("objective.temperature", 2.0),
                ("generator.sharing", "none"),
                ("generator.sharing", "all"),
                ("generator.sharing", "disentangled"),
                ("model.document_attention", True),
            )
        ),
        (
            {
                "objective.name": "electric",
                "generator.sharing": "none",
                "generator.frozen": "runs/a",
            },
            ["generator", "electric"],
        ),
    ],
)
def test_contradictions(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        Config().replaced(values)
    assert all(word in error.value.message for word in words), error.value.message
    assert error.value.hint


def test_towers_that_learn_nothing_have_one_way_out() -> None:
    """A frozen generator of electra would ask for another sharing."""
    with pytest.raises(ConfigError, match="its towers have to learn") as error:
        Config().replaced({"objective.name": "electric", "generator.frozen": "runs/a"})
    assert error.value.hint == "--set generator.frozen=null"


@pytest.mark.parametrize("temperature", [1e-9, 0.099, 1001.0])
def test_temperatures_that_no_logits_survive(temperature: float) -> None:
    with pytest.raises(ValidationError, match=r"objective\.temperature"):
        Config().replaced({"objective.temperature": temperature})
