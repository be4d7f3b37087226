"""The JSON Schema against the files that the loader takes, and those that it refuses."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.json_schema import json_schema
from electra_cli.config.load import dump_config, load_config
from electra_cli.config.presets import available_presets, preset_path
from electra_cli.config.schema import Config, Root, leaf_fields, sections
from electra_cli.config.yaml_core import load_yaml
from electra_cli.modeling.recipe_file import recipe_yaml
from electra_cli.modeling.recipe_plan import plan_recipe

ROOTS = (Config, FinetuneConfig)
ALL = [(root, name) for root in ROOTS for name in available_presets(root)]


def check(root: type[Root], document: Any) -> None:
    schema = json_schema(root)
    validator = jsonschema.validators.validator_for(schema, default=None)
    validator.check_schema(schema)
    validator(schema).validate(document)


@pytest.mark.parametrize(("root", "name"), ALL, ids=str)
def test_every_preset_is_valid(root: type[Root], name: str) -> None:
    check(root, load_yaml(preset_path(name, root).read_text("utf-8")))
    check(root, load_yaml(dump_config(load_config(root, preset=name, environment={}).config)))


def test_what_init_writes_is_valid() -> None:
    text = recipe_yaml(plan_recipe(50_000_000, "cpu", hours=24), command="c", name="n.yaml")
    check(Config, load_yaml(text))


@pytest.mark.parametrize(
    "document",
    [
        {"train": {"step": 5}},
        {"trian": {}},
        {"train": {"steps": 0}},
        {"train": {"steps": "many"}},
        {"model": {"hidden_dropout": 1}},
        {"objective": {"masking": "words"}},
        {"preset": 5},
        {"preset": "nope"},
        {"preset": "cola"},
        {"runtime": {"track": "nope"}},
        {"runtime": {"track": "wandb,nope"}},
        {"runtime": {"track": "none,wandb"}},
        {"runtime": {"track": ""}},
    ],
)
def test_mistakes_are_found(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(Config, document)


@pytest.mark.parametrize(
    "document",
    [
        {"preset": "small"},
        {"preset": "../presets/mine.yaml"},
        *({"runtime": {"track": track}} for track in ("none", "wandb", "wandb, mlflow,trackio")),
    ],
)
def test_what_the_loader_takes_is_valid(document: dict[str, Any]) -> None:
    check(Config, document)


def test_a_run_keeps_the_name_of_a_preset_that_was_a_file() -> None:
    recorded = load_config(preset="tiny", environment={}).config.model_copy(
        update={"preset": "mine"}
    )
    check(Config, load_yaml(dump_config(recorded)))


def test_tasks_are_known() -> None:
    check(FinetuneConfig, {"preset": "cola"})
    with pytest.raises(jsonschema.ValidationError):
        check(FinetuneConfig, {"preset": "small"})


@pytest.mark.parametrize("root", ROOTS)
def test_every_key_is_explained(root: type[Root]) -> None:
    schema = json_schema(root)
    for section, model in sections(root).items():
        definition = schema["$defs"][model.__name__]
        assert definition["description"] or schema["properties"][section]["description"]
        for name, known in definition["properties"].items():
            assert known["description"] == leaf_fields(root)[f"{section}.{name}"].description
