"""What differs between two plans, in the words of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Of the vocabulary to train; its casing is that of the text.
_TRAINED = {
    "kind": "--vocab-kind",
    "size": "--vocab-size",
    "sample": "--vocab-sample",
    "unused": "--vocab-unused",
    "multiple_of": "--vocab-multiple-of",
    "alphabet_limit": "--vocab-alphabet",
}


def changed_options(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line for each option of the command that differs, with both values.

    Args:
      old: The options in one plan.
      new: Those in another.
    """
    before, now = dict(_command_line(old)), dict(_command_line(new))
    return [
        f"{name} was {before.get(name, _NOT_GIVEN)} and is now {now.get(name, _NOT_GIVEN)}"
        for name in sorted({*before, *now})
        if before.get(name, _NOT_GIVEN) != now.get(name, _NOT_GIVEN)
    ]


def changed_inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A line for each input that came, went or has another size."""
    before, now = _values(old, "bytes"), _values(new, "bytes")
    lines = []
    for name in sorted({*before, *now}):
        if name not in now:
            lines.append(f"{name} is no longer among them")
        elif name not in before:
            lines.append(f"{name} is new")
        elif before[name] != now[name]:
            lines.append(f"{name} had {_bytes(before[name])} and has now {_bytes(now[name])}")
    return lines


def replaced_inputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The names of inputs that have another content, though perhaps the same size."""
    before, now = _values(old, "fingerprint"), _values(new, "fingerprint")
    return [name for name in sorted(now) if before.get(name, now[name]) != now[name]]


_NOT_GIVEN = "not given"


def _command_line(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options as they are typed, each with its value in words."""
    for key, value in options.items():
        name = "--" + key.replace("_", "-")
        if key == "vocabulary":
            for field, trained in _TRAINED.items():
                yield trained, _shown(value and value.get(field, "wordpiece"))
        elif key == "duplicates":
            kept = {None: "none", False: "documents", True: "paragraphs"}
            yield "--deduplicate", kept[value and value["paragraphs"]]
            yield "--near-duplicates", _shown(value and value["near_duplicates"])
        elif key == "vocab":
            yield name, _vocabulary(options) if value else _NOT_GIVEN
        elif key == "separator":
            yield name, repr(value)  # a tab would not be seen
        elif key not in ("slice_bytes", "special", "rows"):  # are no options
            yield name, _shown(value)


def _vocabulary(options: Mapping[str, Any]) -> str:
    shown = f"a vocabulary with SHA-256 {options['vocab'][:12]}…"
    if special := options.get("special"):
        ids = ", ".join(f"{role} {number}" for role, number in special.items())
        shown += f", {options['rows']:,} tokens, special ones {ids}"
    return shown


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return _NOT_GIVEN if value is None else str(value)


def _values(plan: Mapping[str, Any], key: str) -> dict[str, list[Any]]:
    """What is known of the inputs by name; those of several folders can have the same name."""
    values: dict[str, list[Any]] = {}
    for file in plan["inputs"]:
        values.setdefault(file["name"], []).append(file[key])
    return values


def _bytes(sizes: list[int | None]) -> str:
    return " and ".join("unknown" if size is None else f"{size:,}" for size in sizes) + " bytes"
