"""The schema of a YAML file for editors, which then complete keys and underline mistakes."""

from __future__ import annotations

from typing import Any

from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Root, sections

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(root: type[Root]) -> dict[str, Any]:
    """Returns the JSON Schema of a kind of configuration: keys, types, bounds, descriptions.

    A file may leave out any key; what joins several keys is checked by the loader alone. The preset
    is one that there is, or a file; the record of a run, which has every section, keeps the name
    of a preset that was a file elsewhere.
    """
    names = available_presets(root)
    known = {"anyOf": [{"enum": names}, {"pattern": r"\.ya?ml$"}]}
    return {
        "$schema": _DIALECT,
        **root.model_json_schema(),
        "if": {"required": list(sections(root))},
        "else": {"properties": {"preset": known}},
    }
