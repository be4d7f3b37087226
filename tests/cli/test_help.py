"""`--help`: all that one has to type, whole, in any terminal."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer.main

from electra_cli.cli.app import app
from tests.conftest import Electra


def commands(group: Any, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, (*prefix, name))
        else:
            found[(*prefix, name)] = command
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_nothing_to_type_is_cut(
    electra: Electra, monkeypatch: pytest.MonkeyPatch, name: tuple[str, ...], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = electra(*name, "--help").stdout
    lines = shown.splitlines()
    assert max(map(len, lines)) <= min(columns, 120)
    words = shown.replace(",", " ").split()
    for parameter in COMMANDS[name].params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            assert option in words or parameter.param_type_name == "argument"
        if parameter.metavar:
            assert parameter.metavar in words
        panel = getattr(parameter, "rich_help_panel", None)
        assert panel is None or f"{panel}:" in lines
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert len(headings) == len(set(headings))
    for wrong in ("list[", "\\", "{", "<Path>...", "<bool>"):
        assert wrong not in shown


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_examples_are_command_lines(name: tuple[str, ...]) -> None:
    """Each is one that the command would take."""
    lines = COMMANDS[name].epilog.strip().splitlines()
    assert 2 <= len(lines) <= 3
    for line in lines:
        assert len(line) <= 78
        words = shlex.split(line.partition(" > ")[0])
        assert tuple(words[: len(name) + 1]) == ("electra", *name)
        context = COMMANDS[name].make_context(" ".join(name), words[len(name) + 1 :])
        assert context.params


def test_the_usage_line_names_what_must_be_given(electra: Electra) -> None:
    usage = {name: electra(*name, "--help").stdout.splitlines()[0] for name in COMMANDS}
    assert usage["prepare-data",] == "Usage: electra prepare-data INPUT... --output DIR [OPTIONS]"
    assert usage["evaluate",] == "Usage: electra evaluate CHECKPOINT... [OPTIONS]"
    assert usage["debug", "data"] == "Usage: electra debug data DIR [OPTIONS]"
    assert usage["export",].startswith("Usage: electra export CHECKPOINT --format <")


@pytest.mark.parametrize("arguments", [["--help"], ["debug", "--help"], ["config", "--help"]])
def test_groups_list_their_commands(electra: Electra, arguments: list[str]) -> None:
    shown = electra(*arguments).stdout
    assert max(map(len, shown.splitlines())) <= 80
    for name in COMMANDS:
        if list(name[:-1]) == arguments[:-1]:
            assert f"  {name[-1]} " in shown


def test_help_loads_no_models_of_configurations() -> None:
    """They and what they are made with take as long to import as all the rest."""
    program = (
        "import sys; from electra_cli.cli.app import run; run(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('pydantic', 'yaml', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_of_all_loads_no_command() -> None:
    program = (
        "import sys; from electra_cli.cli.app import run; run(['--help']); run(['config', '-h']); "
        "print([name for name in sys.modules if name.startswith('electra_cli.cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.endswith(b"\n[]\n")
