"""Draws the layers of the package as a picture, from the contracts in pyproject.toml.

import-linter enforces the same contracts, so the picture cannot show what is not so. What a room is
for is the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _MARGIN, _GAP = 960, 64, 20, 8
_TOP, _FOOT = 52, 84
_LINE, _CHIP = 34, 26  # heights of a room's line, and of a chip for a part of it
_LONGEST = 96  # characters of a description beside a name

# Fill and edge of a room, and of the parts in it.
_PLAIN = ("#eaf3ec", "#7fae8b")
_TENSORFLOW = ("#fdf1e3", "#dba663")
_SANS, _MONO = "font-family='sans-serif'", "font-family='monospace'"


def layers_svg(pyproject: Path) -> str:
    """Returns the picture.

    Args:
      pyproject: The file with the contracts, beside the package that they are about.
    """
    settings = tomllib.loads(pyproject.read_text("utf-8"))["tool"]["importlinter"]
    root = settings["root_package"]
    contracts = settings["contracts"]
    floors = next(x for x in contracts if x["type"] == "layers" and "containers" not in x)
    inner = {
        container.removeprefix(f"{root}."): _rooms(contract["layers"], "")
        for contract in contracts
        for container in contract.get("containers", ())
    }
    plain = {
        module.removeprefix(f"{root}.")
        for contract in contracts
        if "tensorflow" in contract.get("forbidden_modules", ())
        for module in contract["source_modules"]
    }
    package = pyproject.parent / root
    y, parts = _TOP, []
    for rooms in _rooms(floors["layers"], f"{root}."):
        width = (_WIDTH - _LEFT - _MARGIN - _GAP * (len(rooms) - 1)) // len(rooms)
        lines = len(rooms) if len(rooms) == 1 else 2
        height = _LINE * lines - 8 * (lines - 1)
        height += (_CHIP + 8) * any(room in inner for room in rooms)
        for number, room in enumerate(rooms):
            x = _LEFT + number * (width + _GAP)
            colours = _PLAIN if room in plain else _TENSORFLOW
            parts += _room(package, room, inner.get(room, ()), colours, (x, y, width, height))
        y += height + _GAP
    return "\n".join([*_frame(y), *parts, "</svg>", ""])


def _rooms(layers: Sequence[str], prefix: str) -> list[list[str]]:
    """The modules of each layer; those with `|` between them do not know each other."""
    return [[x.strip(" ()").removeprefix(prefix) for x in layer.split("|")] for layer in layers]


def _room(
    package: Path,
    name: str,
    parts: Sequence[Sequence[str]],
    colours: tuple[str, str],
    box: tuple[int, int, int, int],
) -> Iterator[str]:
    x, y, width, height = box
    yield _rectangle(box, colours, 6)
    is_folder = (package / name).is_dir()
    text = f"{name}/" if is_folder else f"{name}.py"
    yield f"<text x='{x + 14}' y='{y + 22}' {_MONO} font-size='14' font-weight='bold'>{text}</text>"
    source = package / name / "__init__.py" if is_folder else package / f"{name}.py"
    beside = width > _WIDTH // 2
    place = (x + 164, y + 22) if beside else (x + 14, y + 44)
    yield _text(*place, _purpose(source), 13)
    chip_x = x + 164 if beside else x + 14
    chip_y = y + height - _CHIP - 9
    for number, chips in enumerate(reversed(parts)):
        for chip in chips:
            if number:
                yield _text(chip_x - 15, chip_y + 17, "‹", 15)
            chip_width = 22 + round(7.3 * len(chip))
            yield _rectangle((chip_x, chip_y, chip_width, _CHIP), ("#ffffff", colours[1]), 13)
            yield f"<text x='{chip_x + 11}' y='{chip_y + 17}' {_MONO} font-size='12'>{chip}</text>"
            chip_x += chip_width + 20


def _purpose(source: Path) -> str:
    """The first sentence of a docstring, or as much of it as stands before a colon."""
    text = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    sentence = (
        " ".join(text.replace("`", "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    )
    return sentence if len(sentence) <= _LONGEST else sentence.partition(":")[0]


def _frame(bottom: int) -> Iterator[str]:
    height = bottom + _FOOT - _GAP
    yield (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' "
        f"width='{_WIDTH}' height='{height}' fill='#24292f'>"
    )
    yield "<title>The layers of electra_cli</title>"
    yield _rectangle((0, 0, _WIDTH, height), ("#ffffff", "#d0d7de"), 10)
    yield _text(_LEFT, 33, "electra_cli: each room imports only from those below it", 17)
    x, end = 34, bottom - _GAP
    yield (
        f"<path d='M{x} {_TOP} V{end - 4} M{x - 7} {end - 13} L{x} {end - 2} L{x + 7} {end - 13}' "
        "fill='none' stroke='#57606a' stroke-width='2'/>"
    )
    middle = (_TOP + end) // 2
    yield (
        f"<text transform='translate({x - 8} {middle}) rotate(-90)' text-anchor='middle' {_SANS} "
        "font-size='12' fill='#57606a'>imports</text>"
    )
    y = bottom + 10
    for place, (colours, text) in enumerate(
        [(_PLAIN, "knows no TensorFlow"), (_TENSORFLOW, "may import TensorFlow")]
    ):
        yield _rectangle((_LEFT + 210 * place, y, 22, 16), colours, 4)
        yield _text(_LEFT + 210 * place + 30, y + 13, text, 13)
    yield _text(
        _LEFT,
        y + 44,
        "Rooms side by side do not know each other. Within a room, a part "
        "imports only from those to its left.",
        13,
    )


def _rectangle(box: tuple[int, int, int, int], colours: tuple[str, str], radius: int) -> str:
    x, y, width, height = box
    fill, edge = colours
    return (
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='{radius}' "
        f"fill='{fill}' stroke='{edge}'/>"
    )


def _text(x: int, y: int, text: str, size: int) -> str:
    return f"<text x='{x}' y='{y}' {_SANS} font-size='{size}'>{escape(text)}</text>"
