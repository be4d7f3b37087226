"""When a run is evaluated, and in which order what comes out is handed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.runs.held_out import HeldOut, Sentence, Token, read_held_out
from electra_cli.training.loop.evaluations import Evaluations, SentenceWriter


class Run:
    """Counts steps and evaluations."""

    def __init__(self, step: int) -> None:
        self.now = step
        self.told: list[tuple[str, int, float]] = []
        self.evaluations = Evaluations(
            lambda: {"disc_auc": self.now / 100},
            interval=8,
            step=lambda: self.now,
            actions=[
                lambda step, metrics: self.told.append(("saved", step, metrics["disc_auc"])),
                lambda step, metrics: self.told.append(("logged", step, metrics["disc_auc"])),
            ],
        )


@pytest.mark.parametrize(("step", "following"), [(0, 8), (7, 8), (8, 16), (9, 16)])
def test_the_multiples_of_the_interval(step: int, following: int) -> None:
    assert Run(step).evaluations.next_step() == following


@pytest.mark.parametrize(
    ("step", "logged", "evaluated"),
    [(8, set(), True), (8, {8}, False), (0, {8}, True), (9, set(), False)],
)
def test_one_that_a_stop_came_before_is_made_up_for(
    step: int, logged: set[int], evaluated: bool
) -> None:
    run = Run(step)
    run.evaluations.catch_up(logged.__contains__)
    assert bool(run.told) == evaluated
    assert (run.evaluations.newest is not None) == evaluated


def test_the_actions_are_called_in_their_order() -> None:
    run = Run(16)
    assert run.evaluations.run() == run.evaluations.newest == {"disc_auc": 0.16}
    assert run.told == [("saved", 16, 0.16), ("logged", 16, 0.16)]


def test_sentences_that_cannot_be_written_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "held-out.json"
    told: list[str] = []
    sentences = [Sentence(3, [Token("the", True, "a", 0.5)])]
    SentenceWriter(lambda: sentences, path, None)(8, {})  # one of several workers
    assert not path.exists()
    writer = SentenceWriter(lambda: sentences, path, told.append)
    writer(8, {})
    assert read_held_out(path) == HeldOut(8, sentences)
    path.unlink()
    path.mkdir()
    (path / "kept").touch()
    writer(16, {})
    writer(24, {})
    assert len(told) == 1
    assert str(path) in told[0]
    assert "training goes on" in told[0]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
