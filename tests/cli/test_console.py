"""What people see: what is shown where, and how it fits into a terminal."""

from __future__ import annotations

import pytest

from electra_cli.cli.console import Terminal


def test_quiet_hides_all_but_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.note("a note")
    terminal.table("a table", ["figure"], [["1"]])
    with terminal.progress("going on", 2) as bar:
        bar.update(2)
    terminal.warn("look here")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "warning: look here\n")
