"""Tables of labelled data and of scores."""

from __future__ import annotations

import pytest

from electra_cli.cli.screen.console import Terminal
from electra_cli.cli.screen.finetuning import print_scores
from electra_cli.metrics.scores import classification
from electra_cli.metrics.scores.names import MSE


def printed(capfd: pytest.CaptureFixture[str], labels: list[str]) -> str:
    of_one = [*classification.names(labels), MSE]
    names = [*of_one, *(f"b/{name}" for name in of_one)]
    terminal = Terminal(stdout=True)
    terminal._results.width = 80
    print_scores(terminal, "Scores", {"here": dict.fromkeys(names, 0.5) | {"total": 7.0}})
    return capfd.readouterr().out


def test_scores_of_the_first_labels(capfd: pytest.CaptureFixture[str]) -> None:
    """Those of a second split too; the scores of all labels together are never left out."""
    few = printed(capfd, [f"l{n}." for n in range(30)])
    assert few.count("f1/l") == 60
    assert "more label" not in few
    many = printed(capfd, [f"l{n}." for n in range(500)])
    assert many.count("f1/l") == 60
    assert "b/f1/l29." in many
    assert "f1/l30." not in many
    assert "b/matthews" in many
    assert "470 more labels: --json has the scores of all" in many


def test_each_score_has_its_own_figures(capfd: pytest.CaptureFixture[str]) -> None:
    lines = printed(capfd, ["total", "subtotal"]).splitlines()
    shown = {parts[1]: parts[3] for parts in map(str.split, lines) if len(parts) == 5}
    assert (shown["mse"], shown["b/mse"]) == ("0.5", "0.5")  # in the data's unit
    assert (shown["f1/subtotal"], shown["b/f1/total"], shown["total"]) == ("0.5000", "0.5000", "7")
