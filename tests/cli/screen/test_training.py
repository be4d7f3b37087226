"""Tables of metrics: their shape and their units; what a finished run says last."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from electra_cli.cli.screen.console import Terminal
from electra_cli.cli.screen.training import print_finished, print_metrics
from electra_cli.config.sections import ObjectiveConfig
from electra_cli.metrics.names import format_metric
from electra_cli.objectives import objective_of

METRICS = objective_of(ObjectiveConfig()).metrics
VALUES = dict.fromkeys(METRICS, 0.5)


def printed(capfd: pytest.CaptureFixture[str], width: int, checkpoints: list[str]) -> list[str]:
    terminal = Terminal(stdout=True)
    terminal._results.width = width
    print_metrics(terminal, "Held-out data", dict.fromkeys(checkpoints, VALUES), names=METRICS)
    return capfd.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 160, 10_000])
@pytest.mark.parametrize("number", [1, 4, 9, 30])
@pytest.mark.parametrize("run", ["", "german-small-v2 "])
def test_every_name_is_whole_and_the_table_fits(
    capfd: pytest.CaptureFixture[str], width: int, number: int, run: str
) -> None:
    checkpoints = [f"{run}step {step:,}" for step in range(0, number * 250_000, 250_000)]
    lines = printed(capfd, width, checkpoints)
    assert max(map(len, lines)) <= width
    if width == 60 and run and number > len(METRICS):
        return  # a checkpoint's name and a metric's have no room side by side: the former is folded
    cells = [cell.strip() for line in lines for cell in line.split("│") if "│" in line]
    for is_head, group in itertools.groupby(lines, lambda line: line.startswith("┃")):
        if is_head:  # which may have several lines
            columns = zip(*(line.split("┃") for line in group), strict=True)
            cells += [" ".join(" ".join(column).split()) for column in columns]
    assert set(METRICS) | set(checkpoints) <= set(cells)
    down = checkpoints if number > len(METRICS) else METRICS
    tables = cells.count(down[0])
    assert [cell for cell in cells if cell in down] == list(down) * tables
    if width == 10_000:
        assert tables == 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("masked_lm_loss", 9.32984, "9.3298"),
        ("masked_lm_perplexity", 12345.6, "12,345.6"),
        ("masked_lm_accuracy", 0.0845, "8.45%"),
        ("masked_lm_accuracy/word_start", 0.0845, "8.45%"),
        ("disc_f1", 0.25, "25.00%"),
        ("disc_precision", 1.0, "100.00%"),
        ("replaced_rate", 0.1376, "13.76%"),
        ("disc_calibration_error", 0.01, "1.00%"),
        ("disc_auc", 0.7, "0.7000"),
        ("disc_average_precision", 0.7, "0.7000"),
        ("disc_precision", float("nan"), "n/a"),
        ("disc_precision", None, "n/a"),
    ],
)
def test_shares_are_percent_and_areas_numbers(name: str, value: float | None, text: str) -> None:
    assert format_metric(name, value) == text


@pytest.mark.parametrize(
    ("goodput", "words"),
    [
        ({"restarts": 1, "lost_steps": 1, "goodput": 0.875}, "goodput 87.50%: 1 restart, 1 step"),
        ({"restarts": 2, "lost_steps": 0, "goodput": None}, "goodput n/a: 2 restarts, 0 steps"),
        ({"restarts": 0, "lost_steps": 0, "goodput": 0.875}, ""),
        ({"restarts": None, "lost_steps": None, "goodput": None}, ""),
        (None, ""),
    ],
)
def test_restarts_are_told_with_what_they_cost(
    capfd: pytest.CaptureFixture[str], goodput: dict[str, Any] | None, words: str
) -> None:
    result: dict[str, Any] = {"final_step": 9, "sequences_per_second": 1.0, "seconds": 2.0}
    result |= {"checkpoint": "c", "report": None, "run_dir": "r"}
    result |= {} if goodput is None else {"goodput": goodput}
    print_finished(Terminal(), result)
    told = [line for line in capfd.readouterr().err.splitlines() if "goodput" in line]
    assert told == ([f"{words} lost"] if words else [])
