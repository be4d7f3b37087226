"""Panels as pictures: for a page that is light or dark, and as files."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from electra_cli.metrics.names import format_flops
from electra_cli.report.plots import axes
from electra_cli.report.plots.axes import COLOURS
from electra_cli.report.plots.draw import figure, svg_of
from electra_cli.report.plots.panels import Panel, panels
from electra_cli.report.record import RunRecord, read_records
from electra_cli.runs.metrics_file import History
from tests.report import made_run

NAME = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    run = made_run.made_run(tmp_path_factory.mktemp("runs") / "tiny", made_run.finished())
    return read_records([run])[0]


@pytest.fixture(scope="module")
def loss(record: RunRecord) -> Panel:
    steps = (1, *range(100, 1001, 100))
    lines = [made_run.train(n, 1.0, masked_lm_loss=4.4 if n == 1 else 2.0) for n in steps]
    long = replace(record, history=History.of(lines))
    return panels([replace(long, name=NAME), replace(long, name="b" * 80)])[0]


def texts(svg: str) -> list[str]:
    names = "{http://www.w3.org/2000/svg}text"
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(names)]


def test_a_page_chooses_the_colours(loss: Panel) -> None:
    svg = svg_of(loss)
    assert set(re.findall(r"var\(--([\w-]+)\)", svg)) >= {"run-0", "run-1", "ink", "muted", "grid"}
    assert not re.search(r"#[0-9a-f]{6}", svg)


def test_what_is_written_is_text_and_no_markup(loss: Panel) -> None:
    svg = svg_of(loss)
    assert "<script" not in svg
    written = texts(svg)
    assert {"uniform guess: 4.42 ↑", "2 <script>a…", "2 bbbbbbbbb…"} < set(written)


def test_long_names_are_told_apart(record: RunRecord) -> None:
    names = ("experiment-of-today-1", "experiment-of-today-2")
    panel = panels([replace(record, name=name) for name in names])[0]
    assert {"2 1", "2 2"} < set(texts(svg_of(panel)))


def test_it_is_an_element_of_a_page(loss: Panel) -> None:
    svg = svg_of(loss)
    assert svg.startswith("<svg ")
    assert not re.search(r"<style|<metadata|http://(?!www\.w3\.org/)", svg)
    other = svg_of(replace(loss, metric="disc_loss"))
    ids = [set(re.findall(r' id="([^"]+)"', each)) for each in (svg, other)]
    assert not ids[0] & ids[1]
    for each, known in zip((svg, other), ids, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', each)) == known


def test_a_run_alone_names_what_was_measured(record: RunRecord) -> None:
    assert {"2.1 training", "2 held-out"} < set(texts(svg_of(panels([record])[0])))


def test_flops_stand_below_the_steps_or_in_their_place(record: RunRecord) -> None:
    cost = record.cost.flops / 1000 * 200  # at a tick
    mantissa, _, exponent = f"{cost:.1e}".partition("e")
    below = f"{float(mantissa):g}e{int(exponent)}"
    assert {"200", below, "steps", "FLOPs"} < set(texts(svg_of(panels([record])[0])))
    alone = texts(svg_of(panels([record], "flops")[0]))
    assert "FLOPs" in alone
    assert "steps" not in alone
    assert any(re.fullmatch(r"\d(\.\d+)?e\d\d", text) for text in alone)


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        ([made_run.validation(0, 1.0), made_run.train(900, 2.0)], "2 at 0"),
        ([made_run.validation(9, 1.0), made_run.validation(10, 2.0, masked_lm_loss=None)], "n/a h"),
        ([made_run.train(1, 1.0)], "2.1 training"),
    ],
)
def test_a_label_says_what_is_there(record: RunRecord, lines: list, label: str) -> None:
    panel = panels([replace(record, history=History.of(lines))])[0]
    assert any(text.startswith(label) for text in texts(svg_of(panel)))


@pytest.mark.parametrize(("later", "mark"), [(2.1, " ↑"), (3.4, "")])
def test_a_baseline_out_of_sight_is_named_at_the_edge(
    record: RunRecord, later: float, mark: str
) -> None:
    losses = {1: 4.4} | {100 * n: 2.0 + (later - 2.0) / n for n in range(1, 11)}
    lines = [made_run.train(step, 1.0, masked_lm_loss=loss) for step, loss in losses.items()]
    svg = svg_of(panels([replace(record, history=History.of(lines))])[0])
    assert {f"uniform guess: 4.42{mark}", f"guess by frequency: 3.5{mark}"} < set(texts(svg))
    heights = re.findall(r'<text[^>]*? y="([\d.]+)"[^>]*>(?:uniform guess|guess by freq)', svg)
    assert abs(float(heights[0]) - float(heights[1])) > 8


@pytest.mark.parametrize("norms", [(1e300, 1.0), (-1e300, 1e308), (5e-324, 1.0), (float("inf"), 2)])
def test_numbers_that_no_axis_can_hold(record: RunRecord, norms: tuple[float, float]) -> None:
    lines = [made_run.train(n, 1.0, gradient_norm=norm) for n, norm in enumerate(norms, start=1)]
    for panel in panels([replace(record, history=History.of(lines))]):
        assert svg_of(panel)


def test_ten_thousand_lines_are_a_small_picture(record: RunRecord) -> None:
    norms = np.random.default_rng(0).lognormal(0, 1, 10_000)
    lines = [
        made_run.train(100 * step, 1.0, gradient_norm=norm) for step, norm in enumerate(norms, 1)
    ]
    shown = panels([replace(record, history=History.of(lines))])
    assert len(svg_of(next(p for p in shown if p.metric == "gradient_norm"))) < 40_000


def test_a_long_title_has_lines(record: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    figure([replace(record, name="b" * 140, history=History.of([])), record], path, "svg")
    lines = re.findall("b{20,}(?: .* FLOPs.)?", path.read_text(encoding="utf-8"))
    flops = f"({format_flops(record.cost.flops)} FLOPs)"
    assert lines == ["b" * 100, f"{'b' * 40} {flops}, tiny {flops}"]


@pytest.mark.parametrize("kind", ["svg", "png"])
@pytest.mark.parametrize("has_lines", [True, False])
def test_files(record: RunRecord, tmp_path: Path, kind: str, has_lines: bool) -> None:
    lines = [made_run.train(1, 1.0), made_run.train(2, 2.0)] * has_lines
    shown = replace(record, history=History.of(lines))
    paths = [tmp_path / f"{number}.{kind}" for number in range(2)]
    for path in paths:
        figure([shown], path, kind)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"electra" in paths[0].read_bytes()[:4096]
    words = paths[0].read_text(encoding="utf-8") if kind == "svg" else ""
    assert ("Nothing was logged yet" in words) == (kind == "svg" and not has_lines)
    assert ("Gradient norm" in words) == (kind == "svg" and has_lines)


@pytest.mark.parametrize(
    "heights",
    [[], [0.5], [0.5, 0.5, 0.5], [1.0, 0.99, 0.2], [0.0, 0.01], [-3.0, 4.0], [0.5] * 20],
)
def test_labels_do_not_overlap(heights: list[float]) -> None:
    moved = axes._apart(heights, 0.1)
    assert len(moved) == len(heights)
    ordered = sorted(moved)
    least = min(0.1, 1 / max(1, len(heights)))
    assert all(high - low > 0.999 * least for low, high in pairwise(ordered))
    assert all(-0.001 <= height <= 1.001 for height in ordered)
    if heights and all(0 <= height <= 1 for height in heights):
        assert abs(sum(moved) - sum(heights)) < 0.2  # as little as needed


def test_colours_are_told_apart() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS)
