"""The line that says how far the work is: what always stands there, and what gives way."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest

from electra_cli.cli.screen.progress import ASCII, ProgressReporter
from electra_cli.cli.screen.text import width_of
from electra_cli.errors import format_duration

LOSSES = ["loss 36.123", "gen 9.330", "disc 0.5366"]
MORE = ["1,017.3 seq/s", "lr 5.00e-04", "|g| 11.25", "62% of peak", "130,214 tok/s"]
LONG = "/data/模型/german-small-v2/runs/with a long name step 1,000,000, seed 3 (2 of 5)"


def reporter(
    total: float = 1_000_000, *, counted: bool = True, description: str = "training"
) -> ProgressReporter:
    return ProgressReporter(description, total, counted=counted, note=None)


def full(step: int = 123_456, curve: tuple[float, ...] = (), **options: str) -> ProgressReporter:
    bar = reporter(**options)
    for value in curve:
        bar.update(step, curve=value)
    bar.update(step, LOSSES, more=MORE, left=3 * 3600 + 120)
    return bar


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 140, 160, 300])
def test_share_total_and_one_time_left_at_every_width(width: int) -> None:
    line = full().line(width)
    assert width_of(line) <= width
    assert "123,456/1,000,000, 12%, 3h 0" in line
    assert line.startswith("training: ") == (width > 40)
    assert line.count("left") == 1
    assert ("━" in line) == (width >= 80)
    assert ("loss 36.123" in line) == (width > 40)


NUMBERS = re.compile(r"[\d.,]*\d(?:e[+-]\d+)?|nan|inf")


@pytest.mark.parametrize("step", [0, 999_999])
@pytest.mark.parametrize(
    "description", ["training", LONG, "日本語のモデル" * 9], ids=["short", "long", "wide"]
)
@pytest.mark.parametrize(
    ("loss", "curve"), [("36.123", ()), ("inf", (9.0, 8.0, math.inf)), ("1.797e+308", (9.0, 7.0))]
)
def test_no_width_wraps_it_or_cuts_a_number(
    step: int, description: str, loss: str, curve: tuple[float, ...]
) -> None:
    bar = full(step, curve, description=description)
    bar.update(step, [f"loss {loss}", *LOSSES[1:]], more=MORE, left=3600.0)
    whole = set(NUMBERS.findall(bar.line(1000)))
    assert loss in whole
    for draw in (bar.line, bar.plain_line):
        for width in range(1, 170):
            line = draw(width)
            assert width_of(line) <= width
            assert set(NUMBERS.findall(line)) <= whole, line


def test_what_is_less_important_gives_way_first() -> None:
    bar, parts = full(), [*LOSSES, *MORE]
    shown = [sum(part in bar.line(width) for part in parts) for width in range(60, 200)]
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (1, len(parts))
    for width, count in enumerate(shown, start=60):
        assert bar.line(width).endswith("  " + " ".join(parts[:count]))


def test_the_losses_of_both_networks_and_their_curve_fit_into_80_columns() -> None:
    bar = reporter(430)
    for step in range(0, 280, 10):
        bar.update(step, LOSSES, more=MORE, curve=40 - step / 10, left=64)
    assert bar.line(80).endswith("  ██▇▆▅▃▂▁  loss 36.123 gen 9.330 disc 0.5366")


def test_a_curve_stands_beside_the_bar_where_there_is_room() -> None:
    bar = reporter(430)
    bar.update(215, LOSSES, more=MORE, curve=2.0, left=64)
    assert "▁" not in bar.line(120)  # one value makes no curve
    bar.update(215, LOSSES, more=MORE, curve=1.0, left=64)
    narrow, wide = bar.line(80), bar.line(120)
    assert ("╌" in narrow, "▁" in narrow) == (False, True)
    assert re.search(r"━+╌+ █+▁+  loss", wide)


def test_plain_characters_where_others_cannot_be_drawn() -> None:
    bar = ProgressReporter("x" * 99, 430, counted=True, note=None, glyphs=ASCII)
    for value in (3.0, 2.0, 1.0):
        bar.update(215, LOSSES, more=MORE, curve=value, left=64)
    for width in range(20, 200):
        assert bar.line(width).isascii()
    assert "##." in bar.line(160)
    assert "^" in bar.line(160)
    assert bar.line(160).startswith("...x")


def test_a_text_without_room_is_left_out() -> None:
    bar = reporter(1.0, counted=False)
    bar.update(0.25, "looking for near duplicates among 1,234,567 documents of 12 files", left=5)
    assert bar.line(80).endswith("╌")
    assert bar.line(160).endswith("12 files")


def test_a_name_cannot_begin_a_line() -> None:
    bar = reporter()
    bar.update(1, "reading a\nb\tc\x1b[2J", left=1)
    assert bar.line(200).endswith("  reading a b c\\x1b[2J")


def test_no_time_left_before_anything_can_be_said() -> None:
    bar = reporter(430)
    bar.update(0, "compiling", left=math.nan)
    assert bar.line(80).startswith("training: 0/430, 0%, 0s so far  ╌")
    assert bar.line(80).endswith("compiling")
    bar.update(430, LOSSES, left=0.0)
    assert bar.line(80).startswith("training: 430/430, 100%, in 0s  ━")


@pytest.mark.parametrize("width", [40, 80, 300])
def test_work_without_an_end_has_a_count_and_a_curve(width: int) -> None:
    bar = ProgressReporter("training", None, counted=True, note=None)
    bar.update(0, "compiling", left=math.nan)
    assert bar.line(80) == "training: 0, 0s so far  compiling"
    for curve in (9.0, 8.0):
        bar.update(123_456, LOSSES, more=MORE, curve=curve, left=math.nan)
    line = bar.line(width)
    assert width_of(line) <= width
    assert "123,456, 0s so far" in line
    assert "%," not in line
    assert not set(line) & set("━╌")
    assert "▁" in line or width == 80  # where the losses leave no room


def test_all_is_not_done_before_the_last_step() -> None:
    bar = reporter()
    bar.update(999_999, left=1.0)
    assert "999,999/1,000,000, 99%" in bar.line(80)


def test_lines_of_a_log_hold_everything() -> None:
    lines: list[Callable[[int], str]] = []
    bar = ProgressReporter("training", 430, counted=True, note=lines.append)
    bar.update(0, ("compiling", "can take minutes"), left=math.nan)
    assert lines.pop()(10_000) == "training: 0/430, 0%, 0s so far, compiling, can take minutes"
    bar.update(10, LOSSES, more=MORE, left=60)  # too soon
    assert not lines
    bar.update(430, LOSSES, more=MORE, left=0.0)
    (line,) = lines
    assert line(10_000) == f"training: 430/430, 100%, in 0s, {', '.join([*LOSSES, *MORE])}"
    assert line(60) == f"training: 430/430, 100%, in 0s, {', '.join(LOSSES[:2])}"


def test_an_empty_total_is_done() -> None:
    assert reporter(0).line(80).startswith("training: 0/0, 100%, in 0s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3, "12s"), (59.6, "1m 00s"), (4000, "1h 06m"), (3 * 86400, "3.0 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
