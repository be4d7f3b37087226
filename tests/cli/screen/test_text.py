"""Text made fit to be shown: its width, what a stream can hold, and what may be cut."""

from __future__ import annotations

import pytest

from electra_cli.cli.screen.text import encodable, one_line, shortened, width_of, wrapped


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("training", 8, "training"),
        ("runs/small step 400, seed 3", 12, "…400, seed 3"),
        ("runs/small step 400, seed 3", 11, "… seed 3"),  # no "00"
        ("1,000,000 rows", 12, "… rows"),
        ("日本語のモデル", 9, "…のモデル"),
        ("日本語のモデル", 8, "…モデル"),
    ],
)
def test_a_text_loses_its_beginning_but_no_part_of_a_number(
    text: str, room: int, shown: str
) -> None:
    assert shortened(text, room, "…") == shown


def test_lines_are_as_wide_as_what_they_show() -> None:
    text = "Das Modell 日本語のモデル steht in 模型 und heißt so, weil es 小さい ist " * 3
    lines = wrapped(text, 40).split("\n")
    assert 36 < max(map(width_of, lines)) <= 40
    assert " ".join(map(str.strip, lines)).split() == text.split()
    assert all(line.startswith("  ") for line in lines[1:])


@pytest.mark.parametrize(
    ("encoding", "draws", "shown"),
    [
        ("utf-8", True, "0 … 40 × 2 → 日"),
        ("utf-8", False, "0 ... 40 x 2 -> 日"),
        ("latin-1", False, r"0 ... 40 x 2 -> \u65e5"),
        ("ascii", False, r"0 ... 40 x 2 -> \u65e5"),
    ],
)
def test_what_a_stream_cannot_hold(encoding: str, draws: bool, shown: str) -> None:
    assert encodable("0 … 40 × 2 → 日", encoding, draws=draws) == shown


def test_one_line() -> None:
    assert one_line("a\n  b\t c\x07") == "a b c\\x07"
