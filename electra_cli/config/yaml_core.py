"""YAML by the scalar rules of YAML 1.2 (core schema), read safely and strictly.

PyYAML follows YAML 1.1, where 1e-5 is text, `on` is true, 010 is eight and 1:30 is ninety. Here
1e-5 is a number, 010 is ten, and `on` and 1:30 are text. Tags, aliases and duplicate keys are
errors: a configuration needs none of them.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

Scalar = None | bool | int | float | str

# https://yaml.org/spec/1.2.2/#1032-tag-resolution; the order matters: an integer is also a float.
_RULES = {
    "null": r"(?:null|Null|NULL|~|)",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)",
    # With more digits, far beyond any key's need, it is a float: integers may be of any length.
    "int": r"(?:[-+]?[0-9]{1,30}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30})",
    "float": r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
}
_PATTERNS = {name: re.compile(rf"\A{rule}\Z") for name, rule in _RULES.items()}
_TAG = "tag:yaml.org,2002:"


class _CoreRules:
    """The resolver's table; PyYAML looks under None for rules of any first character."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the base class reads it as it is)
        None: [(_TAG + name, pattern) for name, pattern in _PATTERNS.items()]
    }


class _Loader(_CoreRules, yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not supported", event.start_mark
            )
        if getattr(event, "tag", None):
            raise yaml.composer.ComposerError(
                None, None, f"tags are not supported (found {event.tag})", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text", key_node.start_mark
                )
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)

    def construct_core_scalar(self, node: Any) -> Scalar:
        return parse_plain(node.value)


class _Dumper(_CoreRules, yaml.SafeDumper):
    """Quotes what the rules above would read as something else than text."""


for _name in _PATTERNS:
    _Loader.add_constructor(_TAG + _name, _Loader.construct_core_scalar)


def parse_plain(text: str) -> Scalar:
    """Reads an unquoted scalar."""
    kind = next((name for name, pattern in _PATTERNS.items() if pattern.match(text)), "str")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text if base == 10 else text[2:], base)
    if kind == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def parse_scalar(text: str) -> Scalar:
    """Reads the value of `--set` or of an environment variable; quotes make it text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return parse_plain(text)


def load_yaml(text: str) -> Any:
    """Reads one document.

    Raises:
      ValueError: Malformed; the message begins with the line where it is known.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or getattr(error, "context", None) or error
        raise ValueError(f"{where}{what}") from None


def dump_yaml(value: Any) -> str:
    """Writes a document that `load_yaml` reads back as the same value, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
