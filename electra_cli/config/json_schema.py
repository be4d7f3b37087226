"""The schema of a YAML file for editors, which then complete keys and underline mistakes."""

from __future__ import annotations

from typing import Any

from electra_cli.config.schema import Root

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(root: type[Root]) -> dict[str, Any]:
    """Returns the JSON Schema of a kind of configuration: keys, types, bounds, descriptions.

    A file may leave out any key; what joins several keys is checked by the loader alone.
    """
    return {"$schema": _DIALECT, **root.model_json_schema()}
