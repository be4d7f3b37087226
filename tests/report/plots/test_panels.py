"""Which curves and baselines a report shows, and on which axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from electra_cli.report.plots.panels import Panel, panels, shortened
from electra_cli.report.record import RunRecord, read_records
from electra_cli.runs.metrics_file import History
from tests.report import made_run
from tests.report.made_run import Line


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    run = made_run.made_run(tmp_path_factory.mktemp("runs") / "tiny", made_run.finished())
    return read_records([run])[0]


def with_lines(record: RunRecord, *lines: Line, name: str = "tiny") -> RunRecord:
    return replace(record, name=name, history=History.of(lines))


def by_metric(records: list[RunRecord]) -> dict[str, Panel]:
    return {panel.metric: panel for panel in panels(records)}


def test_a_metric_that_was_logged_has_a_panel(record: RunRecord) -> None:
    shown = by_metric([record])
    assert list(shown)[:4] == ["masked_lm_loss", "disc_loss", "total_loss", "disc_auc"]
    assert {"learning_rate", "gradient_norm", "disc_accuracy"} < set(shown)
    assert not {"tokens_per_second", "disc_auc_reference"} & set(shown)
    roles = [(curve.role, curve.last) for curve in shown["masked_lm_loss"].curves]
    assert roles == [("training", 2.1), ("held-out", 2.0)]
    assert [curve.role for curve in shown["gradient_norm"].curves] == ["training"]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("masked_lm_loss", {"uniform guess": math.log(83), "guess by frequency": 3.5}),
        ("masked_lm_accuracy", {}),
        ("disc_loss", {"always “original”": 0.325083}),
        ("disc_accuracy", {"always “original”": 0.9}),
        ("disc_auc", {"chance": 0.5}),
        ("total_loss", {"both of them guessing": 3.5 + 50 * 0.325083}),
        ("gradient_norm", {"clipped above": 1.0}),
        ("learning_rate", {}),
    ],
)
def test_baselines(record: RunRecord, metric: str, expected: dict[str, float]) -> None:
    lines = by_metric([record])[metric].baselines
    assert {line.name: line.low for line in lines} == pytest.approx(expected, abs=1e-5)
    assert not any(line.is_band for line in lines)


def test_baselines_are_a_line_where_runs_agree_and_else_a_band(record: RunRecord) -> None:
    other = with_lines(
        record, *made_run.finished()[:-2], made_run.validation(1000, 2e3, replaced_rate=0.2)
    )
    shown = by_metric([record, replace(other, name="other")])
    assert [(line.name, line.range) for line in shown["masked_lm_loss"].baselines] == [
        ("uniform guess", "4.42"),
        ("guess by frequency", "3.5"),
    ]
    assert [(line.name, line.range) for line in shown["disc_accuracy"].baselines] == [
        ("always “original”", "0.8 to 0.9"),
    ]


@pytest.mark.parametrize(
    ("ends", "first"), [((1000,), None), ((1000, 500), None), ((1000, 100), None), ((1000, 90), 90)]
)
def test_a_run_that_would_fill_little_of_the_axis_makes_it_logarithmic(
    record: RunRecord, ends: tuple[int, ...], first: int | None
) -> None:
    runs = [with_lines(record, made_run.train(end, 1.0), name=str(end)) for end in ends]
    shown = panels(runs)
    assert {panel.begin for panel in shown} == {first}
    assert {panel.end for panel in shown} == {1000}


@pytest.mark.parametrize(
    ("norms", "is_log"), [([1, 2, 3], False), ([1, 2, 500], True), ([0, 2, 500], False)]
)
def test_values_far_from_the_rest_make_their_axis_logarithmic(
    record: RunRecord, norms: list[float], is_log: bool
) -> None:
    lines = [made_run.train(n, 1.0, gradient_norm=norm) for n, norm in enumerate(norms, start=1)]
    assert by_metric([with_lines(record, *lines)])["gradient_norm"].log_values is is_log


@pytest.mark.parametrize(
    ("late", "steps", "is_cut"),
    [
        ((2.2, 2.0), range(100, 1001, 100), True),
        ((4.0, 2.0), range(100, 1001, 100), False),
        ((2.2, 2.0), range(200, 1001, 200), False),  # the line from step 1 to 200 says much
        ((2.0, 2.0), (1000,), False),
        ((4.4, 4.4), (500, 1000), False),  # with the baseline
    ],
)
def test_a_steep_beginning_does_not_flatten_the_rest(
    record: RunRecord, late: tuple[float, float], steps: Sequence[int], is_cut: bool
) -> None:
    losses = {1: 4.4, **dict(zip(steps, np.linspace(*late, len(steps)).tolist(), strict=True))}
    lines = [made_run.train(step, 1.0, masked_lm_loss=loss) for step, loss in losses.items()]
    window = by_metric([with_lines(record, *lines)])["masked_lm_loss"].window
    assert (window is not None) is is_cut
    if window:
        assert window[0] < 2.0 < 2.2 < window[1] < 3


def test_what_few_evaluations_say_is_seen_beside_many_lines_of_training(record: RunRecord) -> None:
    training = [made_run.train(n, 1.0, masked_lm_loss=2.0 + 1 / n) for n in range(1, 61)]
    evaluated = [made_run.validation(n, 1.0, masked_lm_loss=4.4 - n / 30) for n in (0, 60)]
    assert by_metric([with_lines(record, *training)])["masked_lm_loss"].window
    both = by_metric([with_lines(record, *training, *evaluated)])
    assert both["masked_lm_loss"].window is None


@pytest.mark.parametrize(
    ("lines", "number"),
    [((), 0), ((made_run.validation(0, 1.0),), 0), ((made_run.train(1, 1.0),), 5)],
)
def test_a_run_with_a_line_or_none(record: RunRecord, lines: tuple[Line, ...], number: int) -> None:
    assert len(panels([with_lines(record, *lines)])) == number


def test_a_number_that_is_missing_at_the_end_is_said(record: RunRecord) -> None:
    lines = [made_run.validation(100, 1.0), made_run.validation(200, 2.0, disc_precision=None)]
    panel = by_metric([with_lines(record, *lines)])["disc_precision"]
    assert math.isnan(panel.curves[0].last)
    assert panel.curves[0].points.means[0] == 0.5
    assert "tiny (held-out): n/a at step 200" in panel.description


def test_the_published_curve_is_behind_ours_once(tmp_path: Path) -> None:
    small = ("data.sequence_length=128", "train.batch_size=128", "train.steps=1000000")
    folders = [tmp_path / name for name in ("one", "two")]
    runs = [
        made_run.made_run(f, made_run.finished(), settings=small, preset="small") for f in folders
    ]
    shown = by_metric(read_records(runs))
    panel = shown["disc_auc_reference"]
    assert [curve.role for curve in panel.curves] == ["published", "held-out", "held-out"]
    assert panel.curves[0].last == 0.935
    assert [curve.role for curve in shown["disc_auc"].curves] == ["held-out", "held-out"]
    assert panel.begin == 100
    assert panel.end == 1_000_000
    assert np.isfinite(panel.curves[0].points.means).all()


def test_in_words(record: RunRecord) -> None:
    assert by_metric([record])["disc_auc"].description == (
        "AUC of the discriminator over the steps, 1 is perfect. "
        "tiny (held-out): 0.9 at step 1,000; chance: 0.5."
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.68583, "0.686"),
        (24.402, "24.4"),
        (999.4, "999"),
        (23462.7, "23.5k"),
        (1_000_000, "1M"),
        (7.5e9, "7.5G"),
        (1.75e-4, "1.75e-4"),
        (-3e-5, "-3e-5"),
        (3e38, "3e38"),
        (math.nan, "n/a"),
    ],
)
def test_short_numbers(number: float, text: str) -> None:
    assert shortened(number) == text


def test_runs_are_compared_by_what_they_have_computed_or_taken(tmp_path: Path) -> None:
    lines = made_run.finished()
    slow = [{**line, "sequences_per_second": 32.0} for line in lines]
    half = ("train.batch_size=16",)
    usual, other = read_records(
        [
            made_run.made_run(tmp_path / "usual", lines),
            made_run.made_run(tmp_path / "half", slow, settings=half),
        ]
    )
    whole = usual.cost.flops
    for along, places, over in (
        ("steps", [1000, 1000], "over the steps"),
        ("flops", [whole, whole / 2], "over the FLOPs"),
        ("hours", [1000 * 0.5 / 3600, 1000 * 0.5 / 3600], "over the hours in updates"),
    ):
        panel = panels([usual, other], along)[0]
        ends = [curve.points.places[-1] for curve in panel.curves if curve.role == "held-out"]
        assert ends == pytest.approx(places)
        assert panel.end == pytest.approx(max(places))
        assert over in panel.description
        assert "at step 1,000" in panel.description
        assert panel.flops_a_step is None  # the runs differ in it
    assert panels([usual])[0].flops_a_step == pytest.approx(whole / 1000)
    assert not panels([replace(usual, starts=[])], "hours")


def test_hours_are_those_of_the_updates_that_count(tmp_path: Path) -> None:
    """A process was killed at step 400 and did it again from 300, half as fast."""
    speed = {"sequences_per_second": 32.0}  # a second for an update, and half of it before
    lines = [
        *(made_run.start(0, 0.0), made_run.train(200, 100.0), made_run.train(400, 200.0)),
        made_run.start(300, 1000.0),
        *(made_run.train(step, 700.0 + step, **speed) for step in (400, 600)),
    ]
    (record,) = read_records([made_run.made_run(tmp_path / "run", lines)])
    panel = panels([record], "hours")[0]
    seconds = panel.curves[0].points.places * 3600
    assert seconds.tolist() == pytest.approx([100, 150 + 100, 150 + 300])
