"""The picture of a curve: what it says, on which axis, and always the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from electra_cli.metrics.scores.spread import Column
from electra_cli.report.plots import score_curve
from electra_cli.report.plots.score_curve import Curve, write

RANDOM = Column("random weights", None, {0: 0.6, 1: 0.62}, "random")
PROBE = Column("frozen encoder", 200, {0: 0.7}, "probe")


def curve(steps: tuple[int, ...], metric: str = "accuracy", title: str = "chunking") -> Curve:
    models = [Column(str(step), step, {0: 0.8, 1: 0.9}) for step in steps]
    return Curve([*models, RANDOM, PROBE], metric, 0.5, title)


def drawn_text(path: Path) -> list[str]:
    """What is written in an SVG, whose letters are outlines below their text as a comment."""
    return re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))


def test_names_what_it_shows(tmp_path: Path) -> None:
    write(curve((0, 100, 200)), tmp_path / "curve.svg")
    text = drawn_text(tmp_path / "curve.svg")
    for expected in (
        "chunking",
        "pretraining steps",
        "accuracy (share, 1 is best)",
        "fine-tuned, 2 seeds",
        "lines: means; bands: ± one standard deviation of the seeds",
        "random weights, 2 seeds",
        "frozen encoder, 1 seed",
        "majority baseline",
    ):
        assert expected in text


@pytest.mark.parametrize("steps", [(0, 100, 200, 300), (100, 1_000, 10_000)])
def test_what_the_steps_have_cost_stands_below(steps: tuple[int, ...], tmp_path: Path) -> None:
    models = [Column(str(step), step, {0: 0.8}, flops=2e9 * step) for step in steps]
    write(Curve([*models, RANDOM], "accuracy", 0.5), tmp_path / "curve.svg")
    text = drawn_text(tmp_path / "curve.svg")
    assert "pretraining steps, and their FLOPs" in text
    assert {f"{step:,}" for step in steps[1:3]} < set(text)
    assert {"2.00e11", "2.00e12" if len(steps) == 3 else "4.00e11"} < set(text)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_curve_is_the_same_file(tmp_path: Path, kind: str) -> None:
    first, second = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
    for path in (first, second):
        write(curve((0, 100, 200)), path)
    assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in first.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


@pytest.mark.parametrize(
    ("steps", "scale"),
    [
        ((0, 100, 200, 300), "linear"),
        ((100, 1_000, 10_000), "log"),
        ((0, 100, 1_000, 10_000), "log"),
        ((0, 10_000), "linear"),
        ((500,), "linear"),
        ((0,), "linear"),
        ((), "linear"),
    ],
)
def test_the_steps_choose_the_axis(steps: tuple[int, ...], scale: str) -> None:
    axes = Figure().subplots()
    places = score_curve._scale(axes, steps)
    assert axes.get_xscale() == scale
    assert list(places) == list(steps)
    assert sorted(places.values()) == list(places.values())


def test_every_decade_is_labelled_and_neighbours_do_not_overlap() -> None:
    axes = Figure().subplots()
    score_curve._scale(axes, (0, 1_000, 10_000, 10_500, 100_000))
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "1,000", "10,000", "100,000"]


@pytest.mark.parametrize(("probes", "lines"), [(1, 3), (2, 2)])
def test_one_probe_is_a_line_and_several_are_a_curve(probes: int, lines: int) -> None:
    axes = Figure().subplots()
    more = [Column("probe", 100 * step, {0: 0.7}, "probe") for step in range(probes)]
    models = [Column("100", 100, {0: 0.8}), Column("200", 200, {0: 0.9})]
    score_curve._draw(axes, Curve([*models, RANDOM, *more], "f1", 0.5))
    whole_width = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    assert len(whole_width) == lines


def test_failed_seeds_have_a_mark_of_their_own(tmp_path: Path) -> None:
    failing = Column("100", 100, {0: 0.5, 1: 0.9})
    write(Curve([failing], "accuracy", 0.5), tmp_path / "curve.svg")
    assert "fine-tuned, failed seed" in drawn_text(tmp_path / "curve.svg")
    write(Curve([failing], "accuracy", 0.4), tmp_path / "curve.svg")
    assert "fine-tuned, failed seed" not in drawn_text(tmp_path / "curve.svg")


@pytest.mark.parametrize(
    ("metric", "unit"), [("spearman", "correlation"), ("mse", "unit of the labels squared")]
)
def test_other_units(tmp_path: Path, metric: str, unit: str) -> None:
    write(curve((1, 2), metric), tmp_path / "curve.svg")
    assert f"{metric} ({unit})" in drawn_text(tmp_path / "curve.svg")


@pytest.mark.parametrize("title", ["", r"$\frac$ or $6_7", "日本語", "long " * 60])
def test_any_title(tmp_path: Path, title: str) -> None:
    write(curve((), title=title), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere/curve\.svg"):
        write(curve((1,)), tmp_path / "nowhere" / "curve.svg")
