"""One rule for plural forms: whatever a command says of a number of things goes by `counted`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import electra_cli
from electra_cli.errors import counted

FOLDER = Path(electra_cli.__file__).parent
PLURAL = re.compile(r" (?:[a-z]+ )?(?!is |was |has )[a-z]{2,}s\b")


def test_one_and_several() -> None:
    assert [counted(number, "word piece") for number in (0, 1, 2, 1000)] == [
        "0 word pieces", "1 word piece", "2 word pieces", "1,000 word pieces",
    ]  # fmt: skip


def is_whole_number(value: ast.FormattedValue) -> bool:
    spec = value.format_spec and ast.unparse(value.format_spec)
    return spec == "f','" or ast.unparse(value.value).startswith("len(")


def plurals_in(source: str) -> list[str]:
    """What f-strings say of whole numbers in the plural, whatever the number."""
    return [
        ast.unparse(string)
        for string in ast.walk(ast.parse(source))
        if isinstance(string, ast.JoinedStr)
        for value, text in zip(string.values, string.values[1:], strict=False)
        if isinstance(value, ast.FormattedValue)
        and isinstance(text, ast.Constant)
        and is_whole_number(value)
        and PLURAL.match(str(text.value))
    ]


def test_a_plural_is_found() -> None:
    found = ["f'{n:,} files'", "f'{len(x)} whole rows'", "f'{n:,} of {m:,} slices; done'"]
    assert all(map(plurals_in, found))
    assert not any(map(plurals_in, ["f'{x:.2f} nats'", "f'{n:,} is all'", "f'{path} has rows'"]))


def test_no_command_writes_plurals_by_itself() -> None:
    rooms = (FOLDER / name for name in ("cli", "doctor", "export", "report"))
    paths = [path for room in rooms for path in room.rglob("*.py")]
    paths += FOLDER.glob("modeling/recipe_*.py")
    found = {path.name: plurals_in(path.read_text()) for path in paths}
    assert {name: strings for name, strings in found.items() if strings} == {}
