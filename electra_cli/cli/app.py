"""The Typer application, and where an exception becomes a message and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import traceback
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from electra_cli import __version__
from electra_cli.cli import debug, evaluate, export, options, prepare_data, pretrain
from electra_cli.cli.console import emit_json, print_error, printable
from electra_cli.cli.help import Command
from electra_cli.cli.usage import explain
from electra_cli.errors import (
    ElectraError,
    InputMissingError,
    IOFailedError,
    OutOfMemoryError,
    OutputError,
    Terminated,
    TrainingError,
)

app = typer.Typer(
    name="electra",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="Pretrain ELECTRA text encoders: from raw text to an exported model.",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"electra {__version__}")
        raise typer.Exit


_command = partial(app.command, cls=Command)
_command("prepare-data", epilog=prepare_data.EXAMPLES)(prepare_data.prepare_data_command)
_command("pretrain", epilog=pretrain.EXAMPLES)(pretrain.pretrain_command)
_command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate_command)
_command("export", epilog=export.EXAMPLES)(export.export_command)
app.add_typer(debug.debug_app, name="debug")
for command in (*app.registered_commands, *debug.debug_app.registered_commands):
    assert command.callback is not None
    command.callback = options.local_only(command.callback)


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; nothing is raised."""
    debug = "--debug" in arguments
    try:
        _check_working_directory()
        code = app(arguments, prog_name="electra", standalone_mode=False)
    except BaseException as error:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        if debug:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(printable(traceback.format_exc().rstrip()) + "\n")
        return _report(error, arguments)
    if code == 130:  # Typer has turned an interruption into a code
        return _report(KeyboardInterrupt(), arguments)
    return code if isinstance(code, int) else 0


def _check_working_directory() -> None:
    """Relative paths mean nothing without it, and no other process can be started in it.

    Raises:
      InputMissingError: It was deleted.
    """
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputMissingError(
            "the working directory no longer exists",
            hint="cd to a folder that does, and run the same command again",
        ) from error


def _report(error: BaseException, arguments: list[str]) -> int:
    """Prints an error for people on stderr and, with --json, for scripts on stdout."""
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
    with contextlib.suppress(OSError, ValueError):  # a closed stderr does not hide the code
        print_error(message, hint)
    if "--json" in arguments:
        with contextlib.suppress(OSError, ValueError, IOFailedError):
            emit_json({"error": {"message": message, "hint": hint, "exit_code": code}})
    return code


# What takes less memory; only options that the command has.
LESS_MEMORY = {
    "prepare-data": "run the same command again with --workers 1, which keeps what is finished; "
    "--near-duplicates takes memory for each document, and with another --output a smaller "
    "--max-document-bytes takes less for long ones",
    "pretrain": "use a smaller --batch-size, or --set train.accumulation_steps=2 to keep the batch",
    "evaluate": "name one checkpoint at a time, without --all and --detail; --device cpu takes the "
    "memory of the machine instead of a GPU's",
    "export": "end other programs, or export on a machine with more memory: all weights are held",
    "debug": "--examples 0 shows no rows masked, which is what starts TensorFlow",
}


def _translate(error: BaseException, arguments: list[str]) -> ElectraError:
    """Gives an unexpected exception its exit code; the cause stays visible with --debug."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        what = f": {str(error).splitlines()[0]}" if str(error) else ""
        hint = LESS_MEMORY.get(arguments[0], "use a machine with more of it")
        return OutOfMemoryError(f"out of memory{what}", hint=hint)
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        if what.startswith("No usable temporary directory"):  # the words of tempfile
            return OutputError(what, hint="set TMPDIR to a folder you can write to")
        hint = "free some space and run the same command again"
        return IOFailedError(
            f"{what}{where}", hint=hint if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        )
    return TrainingError(
        f"unexpected {type(error).__name__}: {error}",
        hint="run again with --debug for the traceback",
    )


def _open_standard_streams() -> None:
    """Puts /dev/null where a standard stream is closed: else the next file would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main() -> None:
    """Console script."""
    _open_standard_streams()
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the end was being told
        code = 130
    _end(code)


def _end(code: int) -> None:
    """Ends the process.

    What an interruption has left is no thread to be waited for: it may be deep in a library, and
    Python, which ends it there when it next wants to run, would abort the whole process.
    """
    if code in (130, 143) and threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
