"""What differs between two plans, in the words of the command line, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.plan import PLAN_FORMAT_VERSION
from electra_cli.corpus.reading.input_file import changed_input
from electra_cli.errors import OutputError

OTHER_FOLDER = "choose another --output, or delete this one yourself if it is not needed"
# Of the vocabulary to train; its casing is that of the text.
_TRAINED = {
    "kind": "--vocab-kind",
    "size": "--vocab-size",
    "sample": "--vocab-sample",
    "unused": "--vocab-unused",
    "multiple_of": "--vocab-multiple-of",
    "alphabet_limit": "--vocab-alphabet",
}


def check_same_plan(output: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuses a plan that is not the one that a folder was begun with.

    Args:
      output: The folder.
      old: Its plan.
      new: Another, or the same.

    Raises:
      OutputError: It is another; it says what differs.
      DataError: An input was replaced.
    """
    if old.get("fingerprint") == new["fingerprint"]:
        return
    if old.get("format_version") != PLAN_FORMAT_VERSION:
        raise OutputError(
            f"output folder {output} was begun by another version of electra", hint=OTHER_FOLDER
        )
    changed = changed_options(old["options"], new["options"])
    if files := changed_inputs(old, new):
        more = [f"… and {len(files) - 5} more"] if files[5:] else []
        changed += ["the input files differ:", *files[:5], *more]
    if not changed and (replaced := replaced_inputs(old, new)):
        raise changed_input(", ".join(replaced[:5]))
    raise _another_preparation(output, changed)


def check_same_options(output: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuses options of a plan that are not those that a folder was begun with.

    Raises:
      OutputError: They differ; it says how.
    """
    if changed := changed_options(old, new):
        raise _another_preparation(output, changed)


def _another_preparation(output: Path, changed: Sequence[str]) -> OutputError:
    reason = "\n  ".join(["", *changed]) or " it is cut into other slices"
    return OutputError(
        f"output folder {output} holds another preparation:{reason}", hint=OTHER_FOLDER
    )


def is_same_but_for_vocabulary(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether all else is the same, also the slices."""
    return _but_for_vocabulary(old) == _but_for_vocabulary(new)


def _but_for_vocabulary(plan: Mapping[str, Any]) -> dict[str, Any]:
    options = {k: v for k, v in plan["options"].items() if k not in ("vocab", "vocabulary")}
    return {k: v for k, v in plan.items() if k != "fingerprint"} | {"options": options}


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
