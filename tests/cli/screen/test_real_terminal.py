"""A training shown on a pseudo terminal by another process, and what is to be seen there."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from electra_cli.cli.screen.text import width_of

CHILD = Path(__file__).with_name("shown_training.py")
WIDTHS = (60, 80, 120)
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")


class Screen(pyte.Screen):
    """A terminal that keeps every state of the row that the cursor is in."""

    def __init__(self, columns: int) -> None:
        super().__init__(columns, 200)
        self.drawn: list[str] = []

    def carriage_return(self) -> None:
        """Looks at the row before it may be drawn anew."""
        super().carriage_return()
        self.drawn.append(self.display[self.cursor.y].rstrip())


@contextmanager
def child(width: int, **environment: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Starts the training on a terminal of that width."""
    ours, theirs = pty.openpty()
    resize(theirs, width)
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO  # what is typed would move the cursor
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    plain = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, str(CHILD)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plain, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    try:
        yield ours, process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def resize(number: int, width: int) -> None:
    fcntl.ioctl(number, termios.TIOCSWINSZ, struct.pack("HHHH", 200, width, 0, 0))


def read(number: int) -> bytes:
    try:
        return os.read(number, 4096)
    except OSError as error:  # all that a terminal says when its other end is gone
        if error.errno != errno.EIO:
            raise
        return b""


def shown(width: int, **environment: str) -> tuple[Screen, str]:
    """The screen after the training, and all that was written."""
    screen, written = Screen(width), b""
    with child(width, **environment) as (terminal, process):
        while part := read(terminal):
            written += part
        assert process.wait() == 0, written.decode()
    pyte.ByteStream(screen).feed(written)
    return screen, written.decode()


def rows_of(screen: Screen) -> list[str]:
    return [row.rstrip() for row in screen.display if row.strip()]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_training_on_a_terminal(width: int) -> None:
    screen, written = shown(width)
    assert COLOUR.search(written)
    rows = rows_of(screen)
    (line,) = [row for row in rows if row.startswith("training: ")]
    assert line.startswith("training: 1,000,000/1,000,000, 100%, in ")
    assert "  loss 2.100" in line
    assert ("▁" in line) == (width >= 80)
    live = [row for row in screen.drawn if row.startswith("training: ")]
    assert len(set(live)) > 1
    assert not [row for row in live if not re.search(r", \d+%, .*(s|so far|left|in)\b", row)]
    text = " ".join(" ".join(rows).split())
    assert "finding: The warm-up is long, since step 0: 90 of 100; to try: a shorter one" in text
    assert "finding: no longer since step 600,000: The warm-up is long (40 of 100)" in text
    assert {row[-1] for row in rows if row[0] in "┏┃┡│└"} == set("┓┃┩│┘")  # none is divided
    assert rows[-1] == "done"


@pytest.mark.parametrize("width", WIDTHS[::2])
def test_a_terminal_that_cannot_move_its_cursor(width: int) -> None:
    screen, written = shown(width, TERM="dumb")
    assert "\x1b" not in written
    assert written.isascii()
    lines = written.replace("\r\n", "\n").split("\n")
    progress = [line for line in lines if line.startswith("training: ")]
    assert len(progress) == 2
    assert progress[-1].startswith("training: 1,000,000/1,000,000, 100%, in ")
    assert max(map(width_of, lines)) <= width
    assert rows_of(screen) == [line.rstrip() for line in lines if line.strip()]


def test_no_colour_is_written_where_none_is_wanted() -> None:
    assert not COLOUR.search(shown(80, NO_COLOR="1")[1])


def test_a_terminal_without_other_characters_than_ascii() -> None:
    screen, written = shown(80, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert written.isascii()
    assert "\\u" not in written
    (line,) = [row for row in rows_of(screen) if row.startswith("training: ")]
    assert re.search(r"  [_=^-]{8,}  loss 2\.100", line)


def test_a_window_that_becomes_narrower() -> None:
    screen = Screen(120)
    stream = pyte.ByteStream(screen)
    with child(120, WAIT="1") as (terminal, process):
        while not any("50%" in row for row in screen.display):
            stream.feed(read(terminal))
        screen.resize(200, 60)
        resize(terminal, 60)
        os.write(terminal, b"\n")  # which the training waits for
        while part := read(terminal):
            stream.feed(part)
        assert process.wait() == 0
    (line,) = [row for row in rows_of(screen) if row.startswith("training: ")]
    assert line.endswith("  loss 2.100")
