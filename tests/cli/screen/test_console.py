"""What people see: what is shown where, and how it fits into a terminal."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from electra_cli.cli.screen import console
from electra_cli.cli.screen.console import Terminal, show_error
from electra_cli.cli.screen.text import width_of
from electra_cli.errors import IOFailedError
from tests.cli.screen.emulated import rows_of


def test_one_of_several_workers(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one shows the same; what concerns this one alone begins with its name."""
    monkeypatch.setattr(console, "_speaker", "")
    silent = Terminal(silent=True)
    silent.note("hello")
    silent.warn("careful")
    silent.table("title", ("a",), [("1",)])
    with silent.progress("training", 3):
        pass
    assert capfd.readouterr() == ("", "")
    console.speak_as("worker 1")
    show_error("no room", "make some", 74)
    assert capfd.readouterr().err == "worker 1: error: no room\nworker 1: hint: make some\n"


def test_quiet_hides_all_but_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.note("a note")
    terminal.table("a table", ["figure"], [["1"]])
    with terminal.progress("going on", 2) as bar:
        bar.update(2)
    terminal.warn("look here")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "warning: look here\n")


def show(terminal: Terminal) -> None:
    terminal.note("on the way")
    terminal.table("a table", ["figure", "value"], [["x" * 300, "1"]])
    terminal.result("the result")


def test_what_was_asked_for_goes_to_stdout_whole(capfd: pytest.CaptureFixture[str]) -> None:
    show(Terminal(stdout=True))
    captured = capfd.readouterr()
    assert captured.err == "on the way\n"
    assert captured.out.endswith("the result\n")
    assert "x" * 300 in captured.out
    assert "\x1b" not in captured.out


def test_with_json_it_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    show(Terminal())
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "x" * 300 in captured.err
    assert "the result" in captured.err


def test_too_wide_a_table_is_divided(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(stdout=True)
    terminal._results.width = 40
    columns = ["name", "first column", "second column", "third column", "x" * 60]
    terminal.table("wide", columns, [["a", "1", "2", "3", "4"]])
    out = capfd.readouterr().out
    assert max(map(len, out.splitlines())) <= 40
    assert out.count("name") == 2  # heads are divided between words, which saves a third table
    for word in " ".join(columns[:-1]).split():
        assert word in out
    assert sum(line.count("x") for line in out.splitlines()) == 60  # folded, not cut


NAMES = ["short", "日本語のモデル" * 6, "/data/models/german-small-v2 step 1,000,000" * 2]
NUMBERS = ["1,000,000,000", "10,781.9", "99.99%", "-1.797e+308", "1,234,567 (99.9%)"]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("count", [1, 2, 5, 15])
@pytest.mark.parametrize("names", [NAMES, NAMES[:1]], ids=["long", "short"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_tables_fit_and_numbers_stay_whole(
    monkeypatch: pytest.MonkeyPatch, width: int, count: int, names: list[str], encoding: str
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    terminal = Terminal(stdout=True)
    terminal._results.width = width
    heads = ["", *(f"column {number}" for number in range(count))]
    terminal.table("many", heads, [[name, *(NUMBERS * 3)[:count]] for name in names])
    sys.stdout.seek(0)
    lines = sys.stdout.read().splitlines()
    assert max(map(width_of, lines)) <= width
    cells = [cell.strip() for line in lines for cell in re.split(r"[│┃|]", line)]
    for number in (NUMBERS * 3)[:count]:
        assert cells.count(number) == len(names) * (NUMBERS * 3)[:count].count(number)
    assert {word for head in heads for word in head.split()} <= {*" ".join(cells).split()}


KEYS = ["data.path", "model.max_position_embeddings", "model.num_attention_heads"]
PATH = "/root/.cache/electra/demo-eb82c6c6735e/prepared"


@pytest.mark.parametrize(("width", "columns"), [(60, 2), (80, 3), (120, 6)])
def test_keys_stay_whole_and_long_values_are_folded_before_a_table_is_divided(
    capfd: pytest.CaptureFixture[str], width: int, columns: int
) -> None:
    terminal = Terminal(stdout=True)
    terminal._results.width = width
    values = [PATH, "1000000", "reference"]
    heads = ["key", *(f"run{number}" for number in range(columns))]
    rows = [[key, *[value] * columns] for key, value in zip(KEYS, values, strict=True)]
    terminal.table("Keys", heads, rows)
    lines = capfd.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert max(map(len, lines)) <= width
    assert [row[0] for row in cells if row[0]] == KEYS  # one table
    assert ["".join(row[at] for row in cells) for at in range(1, columns + 1)] == [
        "".join(values)
    ] * columns
    assert [KEYS[1], *["1000000"] * columns] in cells


def test_a_full_disk_behind_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(IOFailedError, match="cannot write the result to stdout") as told:
            show(Terminal(stdout=True))
    assert told.value.hint == "the work itself is done"


def test_characters_that_stdout_cannot_write(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    Terminal(stdout=True).table("für", ["Wort"], [["日本"]])
    sys.stdout.seek(0)
    out = sys.stdout.read()
    assert "für" in out
    assert r"\u65e5\u672c" in out
    assert "+---" in out  # no box drawing either


def test_lines_end_between_words_and_paths_stay_whole(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/a" + "/very_long_name" * 8
    text = f"disc_auc falls [1] while the generator improves: {path} is usual\n  error: and this"
    Terminal().note(text)
    assert capfd.readouterr().err == text + "\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    for say, label in ((terminal.note, ""), (terminal.warn, "warning: "), (show_error, "error: ")):
        say(*([text, "", 2] if say is show_error else [text]))
        shown = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().err)
        lines = shown.splitlines()
        assert path in [line.strip() for line in lines]
        assert max(len(line) for line in lines if path not in line) <= 40
        assert shown.split() == (label + text).split()
        assert all(line.startswith("  ") for line in lines[1:])  # no value begins a line


def test_progress_on_a_terminal_is_one_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with terminal.progress("training", 430, counted=True) as bar:
        bar.update(270, ["loss 24.549"] * 20, left=64)
        terminal.note("in between")
    note, line = rows_of(capfd.readouterr().err, 80)
    assert note == "in between"
    assert line.startswith("training: 270/430, 63%, 1m 0")
    assert line.endswith("loss 24.549")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_room_is_made_where_another_process_shows_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    """Its cursor waits at the begin of its line."""
    if is_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    terminal.make_room()
    terminal.warn("no", label="worker 1: ")
    shown = capsys.readouterr().err
    assert rows_of(f"a long line of progress\r{shown}", 40) == (
        ["worker 1: no"] if is_terminal else ["worker 1: noof progress"]
    )
