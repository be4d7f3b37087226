"""Collects what the package can tell people: the messages of its errors and warnings, with hints.

They are read from the source, so that the page made of them cannot say anything else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from electra_cli import errors

_UNKNOWN = "…"
# Warnings, which have no exit code; and faults of a line or row, which become errors.
_TOLD: dict[str, int | None] = {"Implausible": None, "Fault": errors.DataError.exit_code}
_Values = dict[str, list[tuple[int, ast.expr]]]


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
      file: Of the package, relative to it.
      text: With a name in capitals where a value stands.
      hint: The same; empty if there is none, or if it is not known before.
      exit_code: None for a warning.
    """

    file: Path
    text: str
    hint: str
    exit_code: int | None


def messages(package: Path) -> list[Message]:
    """All messages of a package, in the order of its files, each once."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(package.rglob("*.py"))}
    kinds = _kinds(trees.values())
    found: dict[tuple[str, str], Message] = {}
    for path, tree in trees.items():
        for call, values in _calls(tree, _assigned(tree.body)):
            name = _last_name(call.func)
            if name not in kinds:
                continue
            text, hint = (_text(argument, values) for argument in _arguments(call, name))
            if re.search(r"[a-z]{3}", text):  # else it hands another's message on
                message = Message(path.relative_to(package), text, hint, kinds[name])
                found.setdefault((text, hint), message)
    return list(found.values())


def _kinds(trees: Iterable[ast.Module]) -> dict[str, int | None]:
    """The exit codes of all error classes by name; files of the package derive some of their own.

    Those of click are made by functions of ours, and are no classes.
    """
    kinds = dict(_TOLD)
    kinds |= {error.__name__: error.exit_code for error in errors.ElectraError.__subclasses__()}
    classes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    for _ in range(2):  # a class of a class
        for node in classes:
            for base in map(_last_name, node.bases):
                if base in kinds:
                    kinds.setdefault(node.name, kinds[base])
    return kinds


def _calls(tree: ast.AST, values: _Values) -> Iterator[tuple[ast.Call, _Values]]:
    """Every call, with the values that names have there."""
    for node in ast.iter_child_nodes(tree):
        inner = values
        if isinstance(node, ast.FunctionDef):
            inner = values | _assigned(ast.walk(node))
        if isinstance(node, ast.Call):
            yield node, inner
        yield from _calls(node, inner)


def _assigned(nodes: Iterable[ast.AST]) -> _Values:
    found: _Values = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append((node.lineno, node.value))
    return found


def _arguments(call: ast.Call, name: str) -> tuple[ast.expr | None, ast.expr | None]:
    """Message and hint of a call."""
    place = 2 if name == "Fault" else 0
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    told = call.args[place] if len(call.args) > place else named.get("message", named.get("what"))
    hint = call.args[1] if name == "Implausible" else named.get("hint")
    return told, hint


def _text(node: ast.expr | None, values: _Values) -> str:
    """A string as it stands in the source."""
    match node:
        case None:
            return ""
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=int(number)):
            return f"{number:,}"
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, values) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, values) + _text(right, values)
        case ast.FormattedValue(value=value):
            text = _text(value, values)
            return _placeholder(value) if _UNKNOWN in text else text
        case ast.Name(id=name) if name in values:
            # The last assignment before the use is the likeliest.
            before = [v for line, v in values[name] if line <= node.lineno] or [values[name][0][1]]
            others = {key: value for key, value in values.items() if key != name}
            return _text(before[-1], others)
    return _UNKNOWN


def _placeholder(node: ast.expr) -> str:
    name = _last_name(node)
    return name.strip("_").upper().replace("_", "-") if name else _UNKNOWN


def _last_name(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None
