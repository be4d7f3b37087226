"""Paths and modules that pages name are there: what moves takes its mentions along."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.schema import Config, leaf_fields
from tests.docs.pages import DOCS, ROOT

PACKAGE = ROOT / "electra_cli"
ROOMS = {path.name.removesuffix(".py") for path in PACKAGE.glob("[a-z]*")}
# Pages that speak of the code; those for users name folders of theirs.
PAGES = [
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("adr/*.md")),
    DOCS / "guide" / "model-garden.md",
]
NAME = re.compile(r"`([\w./-]+)`")
MODULE = re.compile(rf"(?:electra_cli|{'|'.join(ROOMS)})(?:\.[A-Za-z]\w*)+")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}")
KEYS = {*leaf_fields(Config), *leaf_fields(FinetuneConfig)}  # task.metric is in no module


def is_path(name: str) -> bool:
    """Whether a path of ours is meant; another `a/b` may be a name in a checkpoint."""
    first, slash, rest = name.partition("/")
    is_ours = bool(slash) and first in {*ROOMS, "tests", "docs", "benchmarks"}
    return is_ours or "test_" in rest or name[1:].endswith(".py")


def is_there(name: str) -> bool:
    """Whether a path, or a test without its ending, exists; NAME stands for any."""
    while PLACEHOLDER.search(name):
        name = name.rpartition("/")[0]
    bases = (ROOT, PACKAGE, ROOT / "tests", ROOT / "benchmarks")
    return any((base / ending).exists() for base in bases for ending in (name, f"{name}.py"))


def is_module(name: str) -> bool:
    """Whether a dotted name leads to a module of the package, or to something in one."""
    place = PACKAGE
    parts = name.removeprefix("electra_cli.").split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    source = place / f"{parts[0]}.py" if parts else place / "__init__.py"
    if not source.is_file() or len(parts) < 2:
        return source.is_file()
    defined = rf"^(?:(?:def|class|from .* import) )?{parts[1]}\b"
    return re.search(defined, source.read_text("utf-8"), re.MULTILINE) is not None


def missing(text: str) -> list[str]:
    """What a page names and is not there."""
    names = NAME.findall(text)
    endings = (".py", ".md", ".json", ".jsonl", ".yaml")
    modules = [
        x for x in names if MODULE.fullmatch(x) and not x.endswith(endings) and x not in KEYS
    ]
    gone = [x for x in names if is_path(x) and not is_there(x)]
    return gone + [x for x in modules if not is_module(x)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    assert missing(page.read_text("utf-8")) == []


def test_what_moved_is_noticed() -> None:
    there = ("inputs/order.py", "corpus/", "inputs.order.examples_at", "inputs", "inputs/NAME.py")
    there += ("corpus/reading/test_readers", "electra/embeddings", "config.yaml")
    there += ("task.metric",)
    gone = ["order.py", "inputs/gone.py", "gone/test_readers", "gone/NAME.py"]
    gone += ["inputs.gone", "inputs.order.gone", "electra_cli.gone"]
    assert missing(", ".join(f"`{name}`" for name in (*there, *gone))) == gone


def test_the_tree_in_the_readme_is_that_of_the_contract() -> None:
    text = (ROOT / "README.md").read_text("utf-8").partition("```text\nelectra_cli/\n")[2]
    tree = text.partition("```")[0].splitlines()
    rooms = [line.split()[0].rstrip("/") for line in tree if line.startswith("  ")]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = reversed(settings["contracts"][0]["layers"])
    modules = [x.strip().partition(".")[2] for layer in layers for x in layer.split("|")]
    assert rooms == [x if (PACKAGE / x).is_dir() else f"{x}.py" for x in modules]
    others = [line.split()[0] for line in tree if not line.startswith("  ")]
    assert [name for name in others if not (ROOT / name).exists()] == []
