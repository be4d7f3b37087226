"""YAML that Python and Go read alike."""

from __future__ import annotations

import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_NOT_TEXT = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


class _Dumper(yaml.SafeDumper):
    """Quotes all texts that some reader could take for something else, such as 1e-4 or y."""

    def ignore_aliases(self, data: Any) -> bool:
        """Writes what is there twice twice."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and not _NOT_TEXT.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _text)


def as_yaml(value: dict[str, Any], *comments: str) -> str:
    """Returns a document.

    Args:
      value: What it holds.
      *comments: Lines above it, each with its `#`.
    """
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return "\n".join([*comments, text])
