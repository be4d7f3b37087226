"""`electra doctor`: what this machine has for training, what it lacks, what to type."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from electra_cli.cli import options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.streams import write_result
from electra_cli.cli.screen.text import encodable
from electra_cli.errors import ConfigError
from electra_cli.training.loop.signals import StopSignals

if TYPE_CHECKING:
    from electra_cli.doctor.examine import Examination
    from electra_cli.training.devices.check import Check

EXAMPLES = """
electra doctor
electra doctor --no-devices
electra doctor --markdown > doctor.md
"""
LESS_MEMORY = "--no-devices starts no TensorFlow"


# fmt: off
def command(
    no_devices: Annotated[bool, typer.Option(
        "--no-devices", help="Start no TensorFlow: leave out the products of matrices and the "
        "steps of training, which take a minute or two.")] = False,
    markdown: Annotated[bool, typer.Option(
        "--markdown", help="Print it as Markdown, to paste into a report of a bug.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Look at this machine: versions, devices, memory, disk, variables, and a short training.

    Exit code 1 says that it found a problem: something with which training fails, or does not use
    what the machine has.
    """
    # fmt: on
    del debug
    if as_json and markdown:
        raise ConfigError("--json and --markdown: stdout has room for one", hint="--json")
    from electra_cli.doctor.block import as_markdown
    from electra_cli.doctor.examine import examine

    terminal = Terminal(quiet=quiet, stdout=not as_json)
    if not no_devices:
        terminal.note("training for a trial: a minute or two; --no-devices leaves it out")
    with StopSignals():  # what it has started ends with it
        examination = examine(devices=not no_devices, note=terminal.note)
    if markdown:
        _write(as_markdown(examination, home=os.environ.get("HOME", "")))
    else:
        _print(terminal, examination)
    if as_json:
        emit_json(examination.as_json())
    if examination.those("problem"):
        raise typer.Exit(1)


def _print(terminal: Terminal, examination: Examination) -> None:
    """A heading for each topic and a line for each check; what to type stands below its own."""
    from electra_cli.doctor.block import summary

    topics = dict.fromkeys(check.topic for check in examination.checks)
    for topic in topics:
        terminal.result(topic)
        for check in examination.checks:
            if check.topic == topic:
                terminal.result(_line(check))
    terminal.result(f"{summary(examination)}; electra doctor --markdown prints this to be pasted")


def _line(check: Check) -> str:
    advice = f"\n             {check.advice}" if check.advice else ""
    return f"  {check.state:<8} {check.name}: {check.found}{advice}"


def _write(text: str) -> None:
    """Writes lines to stdout as they are, whatever the width of the terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    write_result(encodable(text, encoding, draws=True))
