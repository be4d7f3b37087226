"""The keys of the schema as users write them: expected types in words, nearest names."""

from __future__ import annotations

import difflib
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from electra_cli.config.schema import leaf_fields, sections

_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
_BOUNDS = (
    (Ge, "ge", "at least"),
    (Gt, "gt", "above"),
    (Le, "le", "at most"),
    (Lt, "lt", "below"),
)


def expected(field: FieldInfo) -> str:
    """Says what a key takes, for example "an integer, at least 1"."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    kinds = [part for part in get_args(kind) or (kind,) if part is not NoneType]
    words = " or ".join(_WORDS[part] for part in kinds)
    if NoneType in get_args(kind):
        words += " or null"
    for bound in field.metadata:
        for marker, attribute, phrase in _BOUNDS:
            if isinstance(bound, marker):
                words += f", {phrase} {getattr(bound, attribute)}"
    return words


def shown(value: Any) -> str:
    """Shows a value with its type where it could be mistaken: the text "8" is not 8."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{_short(value)}"'
    return _short(str(value)) if isinstance(value, int | float) else _short(f"{value!r}")


def nearest_key(key: str) -> str | None:
    """Returns the key of the schema that an unknown key most likely stands for.

    The last part decides, so that both `learning_rate` and `train.learning_rate` lead to
    `optimizer.learning_rate`; the whole key breaks ties.
    """
    name = key.lower().rpartition(".")[2]

    def likeness(known: str) -> tuple[float, float]:
        of_name = difflib.SequenceMatcher(None, name, known.rpartition(".")[2]).ratio()
        return of_name, difflib.SequenceMatcher(None, key.lower(), known).ratio()

    best = max(leaf_fields(), key=likeness)
    return best if max(likeness(best)) >= 0.6 else None


def hint_for(key: str) -> str:
    """Returns the hint for an unknown key: the nearest one, or what there is."""
    near = nearest_key(key)
    if near:
        return f"did you mean {near}?"
    section = key.partition(".")[0]
    if section in sections():
        return f"keys of {section}: {', '.join(sections()[section].model_fields)}"
    return f"keys are written section.key; sections: {', '.join(sections())}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
