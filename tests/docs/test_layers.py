"""The picture of the layers shows the contracts of pyproject.toml."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

from tests.docs.pages import DOCS, ROOT

layers_svg = runpy.run_path(str(DOCS / "layers.py"))["layers_svg"]

CONTRACTS = """
[tool.importlinter]
root_package = "house"
[[tool.importlinter.contracts]]
type = "layers"
layers = ["house.attic", "house.kitchen | house.study", "house.cellar"]
[[tool.importlinter.contracts]]
type = "layers"
containers = ["house.attic"]
layers = ["chest", "(box)"]
[[tool.importlinter.contracts]]
type = "forbidden"
source_modules = ["house.cellar"]
forbidden_modules = ["tensorflow"]
"""


def drawn(svg: str) -> list[tuple[str, float, float]]:
    """Every text of a picture with the place where it begins."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [(x.text or "", float(x.get("x", 0)), float(x.get("y", 0))) for x in texts]


def test_rooms_stand_on_those_they_import_from(tmp_path: Path) -> None:
    for room in ("attic", "kitchen", "study"):
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").write_text(
            f'"""Of the {room} & <all>. More."""'
        )
    (tmp_path / "house" / "cellar.py").write_text('"""Whatever is kept."""')
    (tmp_path / "pyproject.toml").write_text(CONTRACTS)
    svg = layers_svg(tmp_path / "pyproject.toml")
    place = {text: (x, y) for text, x, y in drawn(svg)}
    below = [place[name][1] for name in ("attic/", "chest", "kitchen/", "cellar.py")]
    assert below == sorted(set(below))
    assert place["kitchen/"][1] == place["study/"][1]
    assert place["kitchen/"][0] < place["study/"][0]
    assert place["box"][0] < place["chest"][0]  # a part imports from those to its left
    assert {"Of the study & <all>", "Whatever is kept"} <= set(place)


def test_every_room_is_drawn() -> None:
    names = {text.rstrip("/") for text, _, _ in drawn(layers_svg(ROOT / "pyproject.toml"))}
    package = ROOT / "electra_cli"
    rooms = {path.name for path in package.iterdir() if re.fullmatch(r"[a-z]\w*(\.py)?", path.name)}
    assert rooms - names == set()
