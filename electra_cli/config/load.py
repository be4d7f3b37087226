"""Loads a configuration: preset < file < environment < command line, each value with its origin."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from pydantic import ValidationError
from typing_extensions import TypeVar

from electra_cli.config import yaml_core
from electra_cli.config.keys import hint_for, nearest_key
from electra_cli.config.presets import available_presets, preset_path
from electra_cli.config.schema import Config, Root, leaf_fields, sections
from electra_cli.config.values import expected, instead, shown
from electra_cli.config.variables import keys_in
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.files.redaction import redacted

R = TypeVar("R", bound=Root, default=Config)

DEFAULT_ORIGIN = "default"
_VARIABLE = "environment variable "
_OPTION = "--config FILE.yaml, or leave it out"
_EXAMPLE = (
    "name a YAML file that has sections with keys below them, such as\n  train:\n    steps: 1000"
)


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

    @classmethod
    def read(cls, key: str, text: str, origin: str) -> Override:
        """Reads a value by the rules of YAML 1.2, but for an empty one.

        An unset variable of a shell is empty, and null can mean much: a run without an end.

        Raises:
          ConfigError: It is empty.
        """
        if not text.strip():
            raise ConfigError(
                f"{key} ({origin}) is empty",
                hint=f"give a value of {key}, or leave it out; where none is meant, write null",
            )
        return cls(key, yaml_core.parse_scalar(text), origin)


@dataclass(frozen=True)
class LoadedConfig(Generic[R]):
    """A configuration and where each of its values came from (`origins`, by full key)."""

    config: R
    origins: dict[str, str]
    user_keys: frozenset[str]

    def user_set(self, key: str) -> bool:
        """True if the value came from a file, the environment or the command line."""
        return key in self.user_keys


def load_config(
    root: type[R] = Config,  # type: ignore[assignment]
    *,
    preset: str | None = None,
    config_file: Path | None = None,
    environment: Mapping[str, str],
    overrides: Sequence[Override] = (),
) -> LoadedConfig[R]:
    """Loads, merges and checks a configuration.

    Args:
      root: The configuration that is wanted.
      preset: Name of a preset, or path of a YAML file; None for the one that the file records.
      config_file: YAML file whose values go before the preset's.
      environment: Variables; ELECTRA_SECTION__KEY go before the file's values.
      overrides: Values of the command line, which go before all others; the last one wins.

    Raises:
      ConfigError: Unknown preset or key, wrong type or value, contradiction, malformed YAML.
      InputMissingError: A file that is not there or cannot be read.
    """
    record, of_file = (None, {}) if config_file is None else _read_layer(root, config_file, _OPTION)
    origin = root.preset_option if preset is not None else str(config_file)
    if preset is None:
        preset = _recorded_preset(root, config_file, record, of_file)
    path = preset_path(preset, root, origin=origin)
    own_record, values = _read_layer(root, path)
    name = preset if preset in available_presets(root) else own_record or path.stem
    origins = dict.fromkeys(leaf_fields(root), DEFAULT_ORIGIN)
    origins |= dict.fromkeys(values, f"{root.preset_option.lstrip('-')} {preset}")
    if record not in (None, name):
        raise ConfigError(
            f"{config_file} was recorded from preset {record}, but the preset is {name}",
            hint=f'leave {root.preset_option} out, or remove the line "preset: {record}" from '
            f"{config_file}",
        )
    given = [Override(key, value, str(config_file)) for key, value in of_file.items()]
    given += _read_environment(root, environment)
    for override in overrides:
        if override.key not in origins:
            raise _unknown_key(root, override.key, override.origin)
    given += overrides

    values |= {override.key: override.value for override in given}
    origins |= {override.key: override.origin for override in given}
    config = _build(root, name, values, origins)
    return LoadedConfig(config, origins, frozenset(override.key for override in given))


def parse_set(text: str) -> Override:
    """Reads the argument of --set, `key=value`; the value by the rules of YAML 1.2.

    Raises:
      ConfigError: There is no equals sign, or nothing after it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {text}: expected key=value, got {shown(text)}",
            hint=f"write --set {nearest_key(text) or 'train.steps'}=VALUE",
        )
    return Override.read(key.strip(), value, "--set")


def read_config(path: Path, root: type[R] = Config) -> R:  # type: ignore[assignment]
    """Reads a configuration that `dump_config` wrote.

    Raises:
      DataError: It is damaged.
      InputMissingError: It cannot be read.
    """
    try:
        record, values = _read_layer(root, path, f"restore {path} from a backup")
        if not values:
            raise ConfigError(f"{path} is empty")
        origins = dict.fromkeys(leaf_fields(root), str(path))
        return _build(root, record or path.stem, values, origins)
    except ConfigError as error:
        raise DataError(
            f"{path} is damaged: {error.message}", hint=f"restore {path} from a backup"
        ) from None


def dump_config(config: Root) -> str:
    """Writes every value of a configuration but secrets; `read_config` reads it back unchanged."""
    return yaml_core.dump_yaml(redacted(config.model_dump()))


def diff_configs(old: R, new: R) -> list[tuple[str, Any, Any]]:
    """Returns (key, old value, new value) of every key that differs."""
    return [(key, was, now) for key, (was, now) in differences((old, new))]


def differences(configs: Sequence[R]) -> list[tuple[str, list[Any]]]:
    """Returns every key in which configurations differ, and its value in each, without secrets.

    Args:
      configs: Of one kind; at least one. The preset's name is no key.
    """
    records = [redacted(config.model_dump()) for config in configs]
    pairs = [(key, *key.split(".")) for key in leaf_fields(type(configs[0]))]
    found = [(key, [record[section][name] for record in records]) for key, section, name in pairs]
    return [(key, values) for key, values in found if any(v != values[0] for v in values)]


def read_document(path: Path, hint: str) -> dict[Any, Any]:
    """Reads a file of sections, which are not checked yet.

    Args:
      path: The file.
      hint: What to type where it cannot be read, which who asked for it knows.

    Raises:
      ConfigError: It is no YAML, or has no sections.
      InputMissingError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputMissingError(
            f"cannot read configuration {path}: {error.strerror}", hint=hint
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint=_EXAMPLE) from None
    try:
        document = yaml_core.load_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is no YAML: {error}", hint=_EXAMPLE) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected sections, got {shown(document)}", hint=_EXAMPLE)
    return document


def _read_layer(root: type[Root], path: Path, hint: str = "") -> tuple[str | None, dict[str, Any]]:
    """Returns the preset's name that a file records, if any, and its values by full key."""
    document = read_document(path, hint)
    name = document.pop("preset", None)
    if not isinstance(name, str | None):
        raise ConfigError(
            f"preset: expected text, got {shown(name)} (from {path})",
            hint="the line records the preset's name; it can be removed",
        )
    known, values = leaf_fields(root), {}
    for section, content in document.items():
        if isinstance(content, dict) and content:
            values.update({f"{section}.{key}": value for key, value in content.items()})
        elif section not in sections(root):
            raise _unknown_key(root, str(section), str(path))
        elif content is not None and content != {}:
            raise ConfigError(
                f"{section}: expected a section with keys below it, got {shown(content)} "
                f"(from {path})",
                hint=f"keys of {section}: {', '.join(sections(root)[section].model_fields)}",
            )
    for key in values:
        if key not in known:
            raise _unknown_key(root, key, str(path))
    return name, values


def _recorded_preset(
    root: type[Root], file: Path | None, record: str | None, values: Mapping[str, Any]
) -> str:
    """The preset for a command that names none."""
    names, option = available_presets(root), root.preset_option
    choices = f"presets: {', '.join(names)}"
    if file is None:
        raise ConfigError(
            f"there is neither {option} nor --config", hint=f"add {option} {names[0]}; {choices}"
        )
    if record is None:
        raise ConfigError(
            f"{file} does not say which preset its values change",
            hint=f'add {option} NAME, or a line "preset: NAME" to the file; {choices}',
        )
    # The record of a run has every section: that its preset was a file elsewhere does not matter.
    if record not in names and {key.partition(".")[0] for key in values} >= set(sections(root)):
        return str(file)
    return record


def _read_environment(root: type[Root], environment: Mapping[str, str]) -> list[Override]:
    found = keys_in(environment, leaf_fields(root))
    origins = {key: _VARIABLE + name for key, name in found.items()}
    return [
        Override.read(key, environment[origin.removeprefix(_VARIABLE)], origin)
        for key, origin in origins.items()
    ]


def _build(root: type[R], name: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> R:
    nested: dict[str, Any] = {section: {} for section in sections(root)}
    for key, value in values.items():
        section, _, leaf = key.partition(".")
        nested[section][leaf] = value
    try:
        return root.model_validate({"preset": name, **nested})
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"][:2])
        raise _wrong_value(root, key, values, origins[key]) from None
    except ConfigError as error:
        named = [f"{key} from {origins[key]}" for key in leaf_fields(root) if key in error.message]
        raise ConfigError(
            error.message + (f" ({', '.join(named)})" if named else ""), hint=error.hint
        ) from None


def _wrong_value(root: type[Root], key: str, values: Mapping[str, Any], origin: str) -> ConfigError:
    fields, value = leaf_fields(root), values[key]
    field = fields[key]
    meant = instead(field, value)
    if key.endswith("_every") and not value and meant != "null" and "train.steps" in fields:
        steps = values.get("train.steps") or fields["train.steps"].default
        hint = (
            "it cannot be switched off; with as many as train.steps it happens only at the ends "
            f"of a run: {_typed(key, str(steps), origin)}"
        )
    elif meant != shown(field.default):
        hint = f"write {_typed(key, meant, origin)}"
    else:
        hint = f"for example {_typed(key, meant, origin)} ({field.description})"
    return ConfigError(
        f"{key}: expected {expected(field)}, got {shown(value)} (from {origin})", hint=hint
    )


def _typed(key: str, value: str, origin: str) -> str:
    """Returns what to type to give a value where this one came from."""
    if origin == "--set":
        return f"--set {shlex.quote(f'{key}={value}')}"
    if origin.startswith("--"):
        return f"{origin} {value}"
    if origin.startswith(_VARIABLE):
        return f"{origin.removeprefix(_VARIABLE)}={shlex.quote(value)}"
    section, _, name = key.partition(".")
    return f"{name}: {value} below {section}:"


def _unknown_key(root: type[Root], key: str, origin: str) -> ConfigError:
    if key in leaf_fields(root):
        section, _, name = key.partition(".")
        hint = f"write it below its section:\n{section}:\n  {name}: VALUE"
    else:
        hint = hint_for(key, root)
    return ConfigError(f"unknown key {key} (from {origin})", hint=hint)
