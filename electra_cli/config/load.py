"""Loads a configuration: preset < file < environment < command line, each value with its origin."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from electra_cli.config import yaml_core
from electra_cli.config.keys import expected, hint_for, nearest_key, shown
from electra_cli.config.presets import available_presets, preset_path
from electra_cli.config.schema import Config, leaf_fields, sections
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.redaction import redacted

__all__ = [
    "LoadedConfig",
    "Override",
    "available_presets",
    "diff_configs",
    "dump_yaml",
    "load_config",
    "parse_set",
    "preset_path",
    "read_config",
]

DEFAULT_ORIGIN = "default"


@dataclass(frozen=True)
class Override:
    """One value from the command line.

    Args:
      key: The full key, e.g. "train.steps".
      value: The value, already typed (`parse_set` does that for --set).
      origin: The option it was given with, e.g. "--steps".
    """

    key: str
    value: Any
    origin: str


@dataclass(frozen=True)
class LoadedConfig:
    """A configuration and where each of its values came from (`origins`, by full key)."""

    config: Config
    origins: dict[str, str]
    user_keys: frozenset[str]

    def user_set(self, key: str) -> bool:
        """True if the value came from a file, the environment or the command line."""
        return key in self.user_keys


def load_config(
    *,
    preset: str,
    config_file: Path | None = None,
    environment: Mapping[str, str],
    overrides: Sequence[Override] = (),
) -> LoadedConfig:
    """Loads, merges and checks a configuration.

    Args:
      preset: Name of a preset, or path of a YAML file.
      config_file: YAML file whose values go before the preset's.
      environment: Variables; ELECTRA_SECTION__KEY go before the file's values. Others are ignored.
      overrides: Values of the command line, which go before all others; the last one wins.

    Raises:
      ConfigError: Unknown preset or key, wrong type or value, contradiction, malformed YAML.
      InputMissingError: A file that is not there or cannot be read.
    """
    path = preset_path(preset)
    is_name = preset in available_presets()
    record, values = _read_layer(path)
    name = preset if is_name else record or path.stem
    origins = dict.fromkeys(leaf_fields(), DEFAULT_ORIGIN)
    origins |= dict.fromkeys(values, f"preset {preset}")

    given: list[Override] = []
    if config_file is not None:
        record, file_values = _read_layer(config_file)
        if record not in (None, name):
            raise ConfigError(
                f"{config_file} was recorded from preset {record}, but the preset is {name}",
                hint=f'add --preset {record}, or remove the line "preset" from the file',
            )
        given += [Override(key, value, str(config_file)) for key, value in file_values.items()]
    given += _read_environment(environment)
    for override in overrides:
        if override.key not in origins:
            raise _unknown_key(override.key, override.origin)
    given += overrides

    values |= {override.key: override.value for override in given}
    origins |= {override.key: override.origin for override in given}
    config = _build(name, values, origins)
    return LoadedConfig(config, origins, frozenset(override.key for override in given))


def parse_set(text: str) -> Override:
    """Reads the argument of --set, `key=value`; the value by the rules of YAML 1.2.

    Raises:
      ConfigError: There is no equals sign, or a number is too long.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set {text}: expected key=value, got {shown(text)}",
            hint=f"write --set {nearest_key(text) or 'train.steps'}=VALUE",
        )
    return Override(key.strip(), _scalar(value, f"--set {key.strip()}"), "--set")


def read_config(path: Path) -> Config:
    """Reads a configuration that `dump_yaml` wrote; raises as `load_config` does."""
    record, values = _read_layer(path)
    if not values:
        raise DataError(f"{path} is damaged: it is empty", hint="restore it from a backup")
    return _build(record or path.stem, values, dict.fromkeys(leaf_fields(), str(path)))


def dump_yaml(config: Config) -> str:
    """Writes every value of a configuration but secrets; `read_config` reads it back unchanged."""
    return yaml_core.dump_yaml(redacted(config.model_dump()))


def diff_configs(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """Returns (key, old value, new value) of every key that differs; the preset's name is none."""
    before, after = redacted(old.model_dump()), redacted(new.model_dump())
    pairs = [(key, *key.split(".")) for key in leaf_fields()]
    return [
        (key, before[section][name], after[section][name])
        for key, section, name in pairs
        if before[section][name] != after[section][name]
    ]


def _read_layer(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Returns the preset's name that a file records, if any, and its values by full key."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputMissingError(
            f"cannot read configuration {path}: {error.strerror}", hint="check the path"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save it as UTF-8") from None
    try:
        document = yaml_core.load_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", hint="correct the YAML file") from None
    example = "write sections with keys below them, such as\ntrain:\n  steps: 1000"
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections, got {shown(document)}", hint=example)

    name = document.pop("preset", None)
    if not isinstance(name, str | None):
        raise ConfigError(
            f"preset: expected text, got {shown(name)} (from {path})",
            hint="the line records the preset's name; it can be removed",
        )
    known, values = leaf_fields(), {}
    for section, content in document.items():
        if isinstance(content, dict) and content:
            values.update({f"{section}.{key}": value for key, value in content.items()})
        elif section not in sections():
            raise _unknown_key(str(section), str(path))
        elif content is not None and content != {}:
            raise ConfigError(
                f"{section}: expected a section with keys below it, got {shown(content)} "
                f"(from {path})",
                hint=f"keys of {section}: {', '.join(sections()[section].model_fields)}",
            )
    for key in values:
        if key not in known:
            raise _unknown_key(key, str(path))
    return name, values


def _read_environment(environment: Mapping[str, str]) -> list[Override]:
    variables = {f"ELECTRA_{key.upper().replace('.', '__')}": key for key in leaf_fields()}
    given = []
    for variable in sorted(environment):
        if not variable.startswith("ELECTRA_") or "__" not in variable:
            continue
        origin = f"environment variable {variable}"
        if variable not in variables:
            key = variable.removeprefix("ELECTRA_").lower().replace("__", ".")
            near = next((name for name, k in variables.items() if k == nearest_key(key)), None)
            raise ConfigError(
                f"unknown {origin}: there is no key {key}",
                hint=f"did you mean {near}?" if near else hint_for(key),
            )
        value = _scalar(environment[variable], origin)
        given.append(Override(variables[variable], value, origin))
    return given


def _scalar(text: str, origin: str) -> yaml_core.Scalar:
    try:
        return yaml_core.parse_scalar(text)
    except ValueError:
        raise ConfigError(
            f"{origin}: the number has too many digits", hint="give a smaller number"
        ) from None


def _build(name: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    nested: dict[str, Any] = {section: {} for section in sections()}
    for key, value in values.items():
        section, _, leaf = key.partition(".")
        nested[section][leaf] = value
    try:
        return Config.model_validate({"preset": name, **nested})
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"][:2])
        raise _wrong_value(key, values[key], origins[key]) from None
    except ConfigError as error:
        named = [f"{key} from {origins[key]}" for key in leaf_fields() if key in error.message]
        raise ConfigError(
            error.message + (f" ({', '.join(named)})" if named else ""), hint=error.hint
        ) from None


def _wrong_value(key: str, value: Any, origin: str) -> ConfigError:
    field = leaf_fields()[key]
    hint = field.description or ""
    if isinstance(value, float) and value.is_integer() and field.annotation is int:
        hint = f"write {int(value)}"
    elif isinstance(value, str):
        choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
        near = difflib.get_close_matches(value, choices, n=1)
        if near:
            hint = f"did you mean {near[0]}?"
    return ConfigError(
        f"{key}: expected {expected(field)}, got {shown(value)} (from {origin})", hint=hint
    )


def _unknown_key(key: str, origin: str) -> ConfigError:
    if key in leaf_fields():
        section, _, name = key.partition(".")
        hint = f"write it below its section:\n{section}:\n  {name}: VALUE"
    else:
        hint = hint_for(key)
    return ConfigError(f"unknown key {key} (from {origin})", hint=hint)
