"""Precedence, origins, and errors that name key, type, value, origin and the nearest key."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from electra_cli.cli.screen.text import printable
from electra_cli.config.load import (
    LoadedConfig,
    Override,
    diff_configs,
    dump_config,
    load_config,
    parse_set,
    read_config,
)
from electra_cli.config.schema import Config, leaf_fields
from electra_cli.errors import ConfigError, DataError, InputMissingError


def load(
    text: str | None = None,
    tmp_path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    sets: list[str] | None = None,
) -> LoadedConfig:
    file = None
    if text is not None and tmp_path is not None:
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
    return load_config(
        preset="tiny",
        config_file=file,
        environment=environment or {},
        overrides=[parse_set(item) for item in sets or []],
    )


def test_precedence_and_origins(tmp_path: Path) -> None:
    text = "train: {steps: 1, batch_size: 2, seed: 3, log_every: 4}"
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load_config(
        preset="tiny",
        config_file=file,
        environment={
            "ELECTRA_TRAIN__BATCH_SIZE": "5",
            "ELECTRA_TRAIN__SEED": "6",
            "ELECTRA_TRAIN__LOG_EVERY": "7",
            "PATH": "a__b",
        },
        overrides=[
            parse_set("train.seed=8"),
            parse_set("train.log_every=9"),
            Override("train.log_every", 10, "--log-every"),
        ],
    )
    train = loaded.config.train
    assert (train.steps, train.batch_size, train.seed, train.log_every) == (1, 5, 8, 10)
    assert loaded.origins["train.checkpoint_every"] == "preset tiny"
    assert loaded.origins["train.steps"] == str(file)
    assert loaded.origins["train.batch_size"] == "environment variable ELECTRA_TRAIN__BATCH_SIZE"
    assert loaded.origins["train.seed"] == "--set"
    assert loaded.origins["train.log_every"] == "--log-every"
    assert loaded.origins["runtime.device"] == "default"
    assert set(loaded.origins) == set(leaf_fields())
    assert {key for key in leaf_fields() if loaded.user_set(key)} == {
        "train.steps",
        "train.batch_size",
        "train.seed",
        "train.log_every",
    }


def test_preset_from_a_file_uses_defaults_for_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("optimizer: {learning_rate: 1e-5}\ntrain:\n", encoding="utf-8")
    loaded = load_config(preset=str(file), environment={})
    assert loaded.config.preset == "mine"
    assert loaded.config.optimizer.learning_rate == 1e-5
    assert loaded.origins["optimizer.learning_rate"] == f"preset {file}"
    assert not loaded.user_set("optimizer.learning_rate")
    assert loaded.config.train == Config().train


WRONG = [
    ("train.steps", "ten", 'an integer or null, at least 1, got the text "ten"'),
    ("train.steps", "1e6", "an integer or null, at least 1, got 1000000.0"),
    ("train.steps", "0", "an integer or null, at least 1, got 0"),
    ("train.steps", "true", "an integer or null, at least 1, got true"),
    ("train.batch_size", "null", "an integer, at least 1, got null"),
    ("optimizer.learning_rate", "'1e-5'", 'a number, above 0, got the text "1e-5"'),
    ("optimizer.learning_rate", "1e999", "a number, above 0, got inf"),
    ("model.hidden_dropout", "1", "a number, at least 0, below 1, got 1"),
    ("objective.sampling", "distinkt", "one of reference, distinct, got the text"),
    ("objective.masking", "spans", "one of token, whole-word, span, got the text"),
    ("data.path", "8", "text or null, got 8"),
]


@pytest.mark.parametrize(("key", "text", "words"), WRONG)
@pytest.mark.parametrize("layer", ["file", "environment", "--set"])
def test_wrong_value_names_key_type_value_and_origin(
    layer: str, key: str, text: str, words: str, tmp_path: Path
) -> None:
    section, _, name = key.partition(".")
    variable = f"ELECTRA_{section.upper()}__{name.upper()}"
    arguments: dict[str, dict[str, Any]] = {
        "file": {"text": f"{section}: {{{name}: {text}}}", "tmp_path": tmp_path},
        "environment": {"environment": {variable: text}},
        "--set": {"sets": [f"{key}={text}"]},
    }
    origin = {"file": str(tmp_path / "mine.yaml"), "environment": variable}.get(layer, layer)
    with pytest.raises(ConfigError) as error:
        load(**arguments[layer])
    assert error.value.exit_code == 2
    assert error.value.message.startswith(f"{key}: expected {words}")
    assert error.value.message.endswith(f"{origin})")
    assert error.value.hint


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("train.steps", "2e6", "write --set train.steps=2000000"),
        ("train.steps", "10k", "write --set train.steps=10000"),
        ("train.steps", "0", "write --set train.steps=1"),
        ("train.steps", "many", "for example --set train.steps=1000000 (Updates: "),
        ("train.evaluate_every", "0", "it cannot be switched off; with as many as train.steps "),
        ("train.evaluate_every", "0", "the ends of a run: --set train.evaluate_every=430"),
        ("train.log_every", "false", "the ends of a run: --set train.log_every=430"),
        ("train.keep_every", "0", "for example --set train.keep_every=null ("),
        ("optimizer.learning_rate", "'1e-5'", "write --set optimizer.learning_rate=1e-05"),
        ("objective.sampling", "distinkt", "write --set objective.sampling=distinct"),
        ("runtime.precision", "fp16", "write --set runtime.precision=float16"),
        ("runtime.xla", "yes", "write --set runtime.xla=true"),
        ("runtime.xla", "0", "write --set runtime.xla=false"),
        ("data.path", "8", "write --set 'data.path='"),
        ("train.seed", "4294967296", "write --set train.seed=2147483647"),
    ],
)
def test_hints_of_wrong_values(key: str, value: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=[f"{key}={value}"])
    assert hint in error.value.hint
    words = shlex.split(error.value.hint.partition(" (")[0])
    load(sets=[words[words.index("--set") + 1]])  # what is said to be typed is understood


def test_what_to_type_is_said_in_the_words_of_its_origin(tmp_path: Path) -> None:
    for origin, arguments in {
        "ELECTRA_TRAIN__STEPS=1": {"environment": {"ELECTRA_TRAIN__STEPS": "0"}},
        "steps: 1 below train:": {"text": "train: {steps: 0}", "tmp_path": tmp_path},
    }.items():
        with pytest.raises(ConfigError) as error:
            load(**arguments)  # type: ignore[arg-type]
        assert error.value.hint == f"write {origin}"
    overrides = [Override("train.steps", 0, "--steps")]
    with pytest.raises(ConfigError) as error:
        load_config(preset="tiny", environment={}, overrides=overrides)
    assert error.value.hint == "write --steps 1"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("learning_rate", "optimizer.learning_rate"),
        ("train.learning_rate", "optimizer.learning_rate"),
        ("optimizer.learnin_rate", "optimizer.learning_rate"),
        ("trainn.steps", "train.steps"),
        ("Train.Steps", "train.steps"),
        ("steps", "train.steps"),
        ("train.batchsize", "train.batch_size"),
        ("model.num_hidden_layers", "model.num_layers"),
        ("runtime.devicce", "runtime.device"),
    ],
)
def test_unknown_key_names_the_nearest(key: str, nearest: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=[f"{key}=1"])
    assert error.value.message == f"unknown key {key} (from --set)"
    assert error.value.hint == f"did you mean {nearest}?"
    section, dot, name = key.partition(".")
    with pytest.raises(ConfigError) as error:
        load(f"{section}: {{{name}: 1}}" if dot else f"{key}: 1", tmp_path)
    assert error.value.message == f"unknown key {key} (from {tmp_path / 'mine.yaml'})"
    assert error.value.hint == f"did you mean {nearest}?"


def test_unknown_key_without_a_near_one() -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=["train.xyzzyq=1"])
    assert error.value.hint.startswith("keys of train: steps, batch_size")
    with pytest.raises(ConfigError) as error:
        load(sets=["xyzzyq=1"])
    assert "sections: data, model" in error.value.hint


def test_unknown_environment_variable() -> None:
    with pytest.raises(ConfigError) as error:
        load(environment={"ELECTRA_TRAIN__STEP": "5"})
    assert "unknown environment variable ELECTRA_TRAIN__STEP:" in error.value.message
    assert error.value.hint == "did you mean ELECTRA_TRAIN__STEPS?"


@pytest.mark.parametrize("key", ["train.steps", "train.keep_checkpoints", "model.vocab_size"])
def test_an_integer_that_nothing_can_count_to(key: str) -> None:
    """TensorFlow counts steps with 64 bits, and would say so after the first one."""
    assert load(sets=[f"{key}={10**15}"])
    with pytest.raises(ConfigError, match=rf"{key}: expected at most .*, got 10+1 \({key} from"):
        load(sets=[f"{key}={10**15 + 1}"])


def test_contradiction_names_both_origins() -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=["model.hidden_size=129"])
    assert "model.hidden_size from --set" in error.value.message
    assert "model.num_attention_heads from preset tiny" in error.value.message


@pytest.mark.parametrize(
    "wrong",
    [
        ["model.num_attention_heads=7"],
        ["model.hidden_size=102"],
        ["generator.size=0.8"],
        ["generator.size=0.001"],
        ["data.sequence_length=1024"],
        ["objective.mask_probability=0.001"],
    ],
)
def test_what_is_said_of_a_contradiction_ends_it(wrong: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load(sets=wrong)
    words = error.value.hint.replace(",", " ").split()
    load(sets=[*wrong, words[words.index("--set") + 1]])


@pytest.mark.parametrize("text", ["", "x: [", "train: {steps: none}", "train: {stepz: 1}", "\xff"])
def test_a_damaged_record_is_bad_data(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="is damaged") as error:
        read_config(file)
    assert error.value.hint == f"restore {file} from a backup"


def test_set_without_equals_sign() -> None:
    with pytest.raises(ConfigError) as error:
        parse_set("learning_rate")
    assert "expected key=value" in error.value.message
    assert error.value.hint == "write --set optimizer.learning_rate=VALUE"
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_set("=5")


def test_an_empty_value_is_no_null() -> None:
    """It may be an unset variable of the shell, and null a run without an end."""
    with pytest.raises(ConfigError, match=r"train\.steps \(--set\) is empty") as error:
        parse_set("train.steps= ")
    assert error.value.hint.endswith("where none is meant, write null")
    with pytest.raises(ConfigError, match=r"train\.steps \(environment .*\) is empty"):
        load_config(preset="tiny", environment={"ELECTRA_TRAIN__STEPS": ""})
    assert parse_set("train.steps=null").value is None


def test_set_keeps_further_equals_signs() -> None:
    assert parse_set("data.path=a=b: c") == Override("data.path", "a=b: c", "--set")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {steps: 1, steps: 2}", "line 1: the key steps is given twice"),
        ("train:\n\tsteps: 1", "line 2"),
        ("- 1", "expected sections"),
        ("train: 5", "train: expected a section with keys below it, got 5"),
        ("train: false", "train: expected a section"),
        ("train: [1]", "train: expected a section"),
        ("train: {steps: {a: 1}}", "train.steps: expected an integer"),
        ("nonsense:", "unknown key nonsense"),
        ("train.steps: 5", "unknown key train.steps"),
        ("preset: 5", "preset: expected text, got 5"),
        ("preset: small", "was recorded from preset small, but the preset is tiny"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(text, tmp_path)
    assert message in error.value.message
    assert str(tmp_path / "mine.yaml") in error.value.message
    assert error.value.hint


def test_the_example_of_a_file_is_one_as_it_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load("- 1", tmp_path)
    example = printable(error.value.hint).partition("\n")[2]
    assert yaml.safe_load(example) == {"train": {"steps": 1000}}


def test_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"train: {steps: \xff}")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(preset="tiny", config_file=file, environment={})


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputMissingError) as error:
            load_config(preset="tiny", config_file=path, environment={})
        assert error.value.exit_code == 66
        assert str(path) in error.value.message


def test_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load("# nothing\n", tmp_path).config == load().config


def test_a_file_names_its_preset(tmp_path: Path) -> None:
    """The record of a run, or a file of a few values, without --preset."""
    file = tmp_path / "config.yaml"
    file.write_text("preset: small\ntrain: {steps: 5}\n", encoding="utf-8")
    loaded = load_config(config_file=file, environment={})
    assert loaded.config.preset == "small"
    assert loaded.config.train.steps == 5
    assert loaded.origins["train.batch_size"] == "preset small"
    assert not loaded.user_set("train.batch_size")

    own = tmp_path / "own.yaml"
    own.write_text("train: {steps: 7}\n", encoding="utf-8")
    record = load_config(preset=str(own), environment={}).config
    own.unlink()
    file.write_text(dump_config(record), encoding="utf-8")
    assert load_config(config_file=file, environment={}).config == record


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (None, "there is neither --preset nor --config", "add --preset tiny"),
        ("train: {steps: 5}", "does not say which preset", "--preset NAME, or a line"),
        ("preset: smol\ntrain: {steps: 5}", "unknown preset smol (from", "preset: small?"),
    ],
)
def test_no_preset(text: str | None, message: str, hint: str, tmp_path: Path) -> None:
    file = None
    if text is not None:
        file = tmp_path / "mine.yaml"
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config(config_file=file, environment={})
    assert message in error.value.message
    assert hint in error.value.hint


def test_record_reads_back_unchanged(tmp_path: Path) -> None:
    config = load(sets=["data.path='1e-5'", "optimizer.epsilon=1e-12", "train.seed=3"]).config
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    assert read_config(file) == config
    assert load_config(preset=str(file), environment={}).config == config
    assert load_config(preset="tiny", config_file=file, environment={}).config == config


def test_differences() -> None:
    old = load().config
    new = load(sets=["train.seed=7", "generator.size=0.75"]).config
    assert diff_configs(old, new) == [("generator.size", 0.25, 0.75), ("train.seed", 0, 7)]
    assert diff_configs(old, old.model_copy(update={"preset": "other"})) == []


def test_loading_imports_no_tensorflow() -> None:
    program = (
        "import sys; from electra_cli.config.load import load_config; "
        "import electra_cli.modeling.budget; load_config(preset='tiny', environment={}); "
        "sys.exit(any(name.partition('.')[0] in ('tensorflow', 'tf_keras', 'official') "
        "for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
