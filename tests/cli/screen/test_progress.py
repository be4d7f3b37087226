"""The line that says how far the work is: what always stands there, and what gives way."""

from __future__ import annotations

import math

import pytest

from electra_cli.cli.screen.progress import ProgressReporter
from electra_cli.errors import format_duration

METRICS = [
    "loss 36.123", "gen 9.330", "disc 0.5366", "1,017.3 seq/s", "lr 5.00e-04", "|g| 11.25",
    "62% of peak", "130,214 tok/s",
]  # fmt: skip


def reporter(total: float = 1_000_000, *, counted: bool = True) -> ProgressReporter:
    return ProgressReporter("training", total, counted=counted, note=None)


@pytest.mark.parametrize("width", [40, 80, 100, 120, 140, 160, 300])
def test_share_total_bar_and_one_time_left_at_every_width(width: int) -> None:
    bar = reporter()
    bar.update(123_456, METRICS, left=3 * 3600 + 120)
    line = bar.line(width)
    assert len(line) <= width
    assert "123,456/1,000,000, 12%, 3h 0" in line
    assert line.startswith("training: ") == (width > 40)
    assert line.count("left") == 1
    assert ("━" in line) == (width >= 80)


def test_what_is_less_important_gives_way_first_and_nothing_is_cut() -> None:
    bar = reporter()
    bar.update(123_456, METRICS, left=60)
    for width in range(60, 200):
        shown = bar.line(width).rpartition("╌")[2].strip()
        fitting = [" ".join(METRICS[:count]) for count in range(len(METRICS) + 1)]
        assert shown in fitting or width < 66
    assert "loss 36.123 gen" not in bar.line(66)
    assert "loss 36.123" in bar.line(80)
    assert METRICS[-1] in bar.line(200)


def test_the_losses_of_both_networks_fit_into_80_columns() -> None:
    bar = reporter(430)
    bar.update(270, METRICS, left=64)
    assert bar.line(80).endswith("  loss 36.123 gen 9.330 disc 0.5366")


def test_a_text_without_room_is_left_out() -> None:
    bar = reporter(1.0, counted=False)
    bar.update(0.25, "looking for near duplicates among 1,234,567 documents of 12 files", left=5)
    assert bar.line(80).endswith("╌")
    assert bar.line(160).endswith("12 files")


def test_no_time_left_before_anything_can_be_said() -> None:
    bar = reporter(430)
    bar.update(0, "compiling", left=math.nan)
    assert bar.line(80).startswith("training: 0/430, 0%, 0s so far  ╌")
    assert bar.line(80).endswith("compiling")
    bar.update(430, METRICS, left=0.0)
    assert bar.line(80).startswith("training: 430/430, 100%, in 0s  ━")


def test_lines_of_a_log_hold_everything() -> None:
    lines: list[str] = []
    bar = ProgressReporter("training", 430, counted=True, note=lines.append)
    bar.update(0, "compiling", left=math.nan)
    bar.update(10, METRICS, left=60)  # too soon
    bar.update(430, METRICS, left=0.0)
    assert lines[0] == "training: 0/430, 0%, 0s so far, compiling"
    assert lines[1:] == [f"training: 430/430, 100%, in 0s, {', '.join(METRICS)}"]


def test_an_empty_total_is_done() -> None:
    assert reporter(0).line(80).startswith("training: 0/0, 100%, in 0s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3, "12s"), (59.6, "1m 00s"), (4000, "1h 06m"), (3 * 86400, "3.0 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
