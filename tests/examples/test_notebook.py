"""examples/notebook: a valid notebook, without outputs, whose commands are ones that exist."""

from __future__ import annotations

import ast

import nbformat
import pytest
import typer.main

from electra_cli.cli.app import app
from tests.places import ROOT

PATH = ROOT / "examples" / "notebook" / "electra.ipynb"


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(PATH, as_version=4)


def test_it_is_valid_and_holds_nothing_of_a_run(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell for cell in code if cell.outputs or cell.execution_count is not None]
    (settings,) = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert "SOURCE = " in settings.source


def test_every_command_takes_its_options(notebook: nbformat.NotebookNode) -> None:
    """Lists of options are given by name: `*what`; paths and numbers are 1."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    tree = ast.parse(source)
    lists = {
        node.targets[0].id: node.value.elts
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    }
    group = typer.main.get_command(app)
    seen = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "electra":
            given = [
                part
                for one in node.args
                for part in (lists[one.value.id] if isinstance(one, ast.Starred) else [one])
            ]
            name, *words = [str(getattr(part, "value", 1)) for part in given]
            group.commands[name].make_context(name, words)
            seen.add(name)
    assert seen == {"doctor", "prepare-data", "pretrain", "report", "export"}
