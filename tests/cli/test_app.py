"""What every command has in common, in processes of their own: start-up and exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from electra_cli import __main__ as entry_point
from electra_cli import __version__
from electra_cli.cli.app import COMMANDS, app, main, module_of
from tests.conftest import Electra

CHECK = """
import sys
from electra_cli.cli.app import run
code = run(sys.argv[1:])
heavy = {"tensorflow", "tf_keras", "official", "orbit", "torch", "asyncio"}
if sys.argv[1:] in (["--help"], ["--version"]):
    heavy |= {"numpy", "pyarrow", "matplotlib", "jinja2"}
heavy = sorted(heavy & set(sys.modules))
print("HEAVY", heavy, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["pretrain", "--help"], 0),
        (["prepare-data", "nowhere", "--output", "o"], 66),
        (["pretrain", "--preset", "none", "--json"], 2),
        (["pretrain", "--preset", "small", "--data", "nowhere"], 66),
        (["config", "show", "small", "--json"], 0),
        (["config", "diff", "small", "base"], 0),
        (["config", "schema"], 0),
        (["config", "init", "--corpus-bytes=1GB", "--hardware=gpu", "--hours=9"], 0),
        (["evaluate", "nowhere"], 66),
        (["export", "nowhere", "--format", "huggingface", "--output", "o"], 66),
    ],
)
def test_tensorflow_is_not_imported(arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "HEAVY []" in done.stderr


def test_version(electra: Electra) -> None:
    result = electra("--version")
    assert (result.code, result.stdout) == (0, f"electra {__version__}\n")


@pytest.mark.parametrize("group", [(), ("debug",), ("config",)])
def test_without_a_command_the_help_is_shown(electra: Electra, group: tuple[str, ...]) -> None:
    shown = electra(*group)
    assert (shown.code, shown.stdout) == (2, "")
    assert shown.stderr == electra(*group, "--help").stdout


def test_unknown_command(electra: Electra) -> None:
    electra("pretran", "--json").failed(2, "pretran")


def test_quiet_prints_errors(electra: Electra) -> None:
    result = electra("evaluate", "nowhere", "--quiet")
    assert result.code == 66
    assert result.stderr.startswith("error: ")


def test_debug_shows_the_traceback(electra: Electra) -> None:
    assert "Traceback" in electra("evaluate", "nowhere", "--debug").stderr


def test_unexpected_errors_have_exit_code_70(
    electra: Electra, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr("electra_cli.runs.named.find_run", fail)
    electra("evaluate", "nowhere", "--json").failed(70, "the moon is full", "--debug")


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("8 MiB")])
def test_out_of_memory_is_71_with_options_that_the_command_has(
    electra: Electra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: MemoryError
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("electra_cli.corpus.preparation.pipeline.prepare_data", fail)
    result = electra("prepare-data", str(tmp_path), "--output", str(tmp_path / "out"), "--json")
    result.failed(71, f"out of memory{f': {error}' if error.args else ''}", "--workers")
    monkeypatch.setattr("electra_cli.runs.named.find_run", fail)
    electra("evaluate", "nowhere", "--json").failed(71, "out of memory", "one checkpoint at a time")


@pytest.mark.parametrize("name", COMMANDS)
def test_what_takes_less_memory_are_options_of_the_command(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall("--[a-z-]+", module_of(name).LESS_MEMORY)) <= known


def test_interruption_is_130(electra: Electra, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("electra_cli.runs.named.find_run", interrupt)
    assert electra("evaluate", "nowhere", "--json").json["error"]["exit_code"] == 130


@pytest.mark.parametrize(
    ("handler", "meanwhile"),
    [(signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)],
)
def test_ctrl_c_shows_no_traceback_while_the_commands_are_loaded(
    monkeypatch: pytest.MonkeyPatch, handler: Any, meanwhile: Any
) -> None:
    seen = []

    class Commands(types.ModuleType):
        @property
        def main(self) -> Callable[[], None]:
            seen.append(signal.getsignal(signal.SIGINT))
            return lambda: seen.append(signal.getsignal(signal.SIGINT))

    monkeypatch.setitem(sys.modules, "electra_cli.cli.app", Commands("app"))
    before = signal.signal(signal.SIGINT, handler)
    try:
        entry_point.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [meanwhile, handler]


@pytest.mark.parametrize(
    ("code", "has_thread", "how"),
    [(143, True, "at once"), (130, True, "at once"), (143, False, "whole"), (0, True, "whole")],
)
def test_the_process_does_not_wait_for_what_an_interruption_has_left(
    monkeypatch: pytest.MonkeyPatch, code: int, has_thread: bool, how: str
) -> None:
    def at_once(status: int) -> None:
        raise ChildProcessError(status)

    monkeypatch.setattr("electra_cli.cli.app.run", lambda arguments: code)
    monkeypatch.setattr("threading.active_count", lambda: 2 if has_thread else 1)
    monkeypatch.setattr("os._exit", at_once)
    ended = ChildProcessError if how == "at once" else SystemExit
    with pytest.raises(ended) as error:
        main()
    assert error.value.args == (code,)


@pytest.mark.parametrize("where", ["/dev/full", "closed pipe", "closed"])
@pytest.mark.parametrize("stream", [1, 2], ids=["stdout", "stderr"])
def test_an_error_keeps_its_code_where_a_stream_cannot_be_written(
    tmp_path: Path, where: str, stream: int
) -> None:
    """It is told on the other one."""
    command = f"{sys.executable} -m electra_cli evaluate {tmp_path}/nothing --json"
    end = {"/dev/full": f"{stream}>/dev/full", "closed pipe": "", "closed": f"{stream}>&-"}[where]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        f"{command} {end}",
        shell=True,
        stdout=writer if stream == 1 else subprocess.PIPE,
        stderr=writer if stream == 2 else subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    told = done.stderr if stream == 1 else done.stdout
    assert done.returncode == 66
    assert "Traceback" not in told
    assert "no checkpoint and no run folder" in told
