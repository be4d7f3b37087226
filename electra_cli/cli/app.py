"""The Typer application, and where an exception becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import threading
import traceback
from importlib import import_module
from typing import Annotated, Any

import typer

from electra_cli import __version__
from electra_cli.cli.groups import group_of
from electra_cli.cli.options import local_only
from electra_cli.cli.screen.console import show_error
from electra_cli.cli.screen.streams import write_out
from electra_cli.cli.screen.text import printable
from electra_cli.cli.usage import Command, explain
from electra_cli.errors import (
    ElectraError,
    IOFailedError,
    OutOfMemoryError,
    Terminated,
    TrainingError,
    exit_code_of,
)
from electra_cli.files.atomic import DISK_IS_FULL
from electra_cli.training.devices.failures import OUT_OF_MEMORY, failure_of, told

_TRACEBACK = "run again with --debug for the traceback"

# A line a command, in the order of the help, and what the help of all says of it. Its file in
# cli.commands has the function `command`, EXAMPLES of what to type, and LESS_MEMORY, which names
# only options that the command has.
COMMANDS = {
    "prepare-data": "Turn raw text into shards to pretrain on.",
    "pretrain": "Pretrain a generator and a discriminator on prepared data.",
    "finetune": "Fine-tune an encoder on labelled data, and say how good it is.",
    "evaluate": "Show the held-out metrics of checkpoints side by side.",
    "launch": "Start several workers here, or write what starts them.",
    "report": "Say of runs whether they are good, and what to do next.",
    "export": "Export a checkpoint, and check it against the model.",
    "doctor": "Look at this machine: versions, devices, memory, disk.",
    "config show": "Show every value of a configuration and where it came from.",
    "config diff": "Compare configurations: only the keys that differ.",
    "config init": "Write a configuration for a text, a machine and some hours.",
    "config schema": "Print the JSON Schema of configuration files, for editors.",
    "debug data": "Show what prepared data holds, with examples.",
    "debug task": "Show labelled data as `electra finetune` sees it.",
}
_GROUPS = {
    "": "Pretrain ELECTRA text encoders: from raw text to an exported model.",
    "config": "Show, compare and write configurations.",
    "debug": "Look into what other commands have written.",
}


def module_of(name: str) -> Any:
    """The file of a command; it is imported when the command is used."""
    return import_module("electra_cli.cli.commands." + re.sub(r"\W", "_", name))


def _command(name: str) -> Any:
    module = module_of(name)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    add = alone.command(name.split()[-1], cls=Command, epilog=module.EXAMPLES)
    add(local_only(module.command))
    return typer.main.get_command(alone)


def _group(name: str) -> typer.Typer:
    prefix = f"{name} ".lstrip()
    below = {c.removeprefix(prefix): line for c, line in COMMANDS.items() if c.startswith(prefix)}
    lines = {word: line for word, line in below.items() if " " not in word}
    return typer.Typer(
        name=name or "electra",
        cls=group_of(lines, lambda word: _command(prefix + word)),
        help=_GROUPS[name],
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )


app = _group("")
for _name in filter(None, _GROUPS):
    app.add_typer(_group(_name))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"electra {__version__}")
        raise typer.Exit


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; nothing is raised."""
    try:
        code = app(arguments, prog_name="electra", standalone_mode=False)
    except BaseException as error:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        if "--debug" in arguments:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(printable(traceback.format_exc().rstrip()) + "\n")
        return _report(error, arguments)
    if code == 130:  # Typer has turned an interruption into a code
        return _report(KeyboardInterrupt(), arguments)
    return code if isinstance(code, int) else 0


def _report(error: BaseException, arguments: list[str]) -> int:
    """Shows an error, and returns its exit code."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        message, hint, code = "interrupted", "", 130
    elif isinstance(error, Terminated):
        message, hint, code = f"terminated by {error}", "", 143
    elif hasattr(error, "format_message"):  # a usage error of Typer's
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
            with contextlib.suppress(OSError, ValueError):
                typer.echo(error.format_message(), err=True)
            return 2
        (message, hint), code = explain(error), 2
    else:
        known = error if isinstance(error, ElectraError) else _translate(error, arguments)
        message, hint, code = known.message, known.hint, known.exit_code
    findings = getattr(error, "findings", [])
    show_error(message, hint, code, as_json="--json" in arguments, findings=findings)
    return code


def _translate(error: BaseException, arguments: list[str]) -> ElectraError:
    """Gives an unexpected exception its exit code; the cause stays visible with --debug."""
    if (of_gpu := told(error)) is not None:
        return of_gpu
    no_memory = exit_code_of(error) == OutOfMemoryError.exit_code
    if no_memory or failure_of(error) is OUT_OF_MEMORY:
        what = f": {str(error).splitlines()[0]}" if str(error) else ""
        given = " ".join(arguments)
        hints = [module_of(name).LESS_MEMORY for name in COMMANDS if given.startswith(name)]
        return OutOfMemoryError(f"out of memory{what}", hint="".join(hints))
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        hint = _TRACEBACK
        if error.errno in DISK_IS_FULL:
            hint = "free some space and run the same command again"
        elif error.filename:
            looked_at = shlex.quote(str(error.filename))
            hint = f"ls -ld {looked_at} shows what is there, and who may use it"
        return IOFailedError(f"{what}{where}", hint=hint)
    return TrainingError(
        f"unexpected {type(error).__name__}: {error}",
        hint=_TRACEBACK,
    )


def main() -> None:
    """Runs the command line of the process, and ends it."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the end was being told
        code = 130
    _end(code)


def _end(code: int) -> None:
    """Ends the process.

    Threads that an interruption has left are not waited for: one may be deep in a library, and
    Python, which ends it there when it next wants to run, would abort the whole process.
    """
    write_out()
    if code in (130, 143) and threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)
