"""The sentences about tables whose outcome is known."""

from __future__ import annotations

import pytest

from electra_cli.metrics.scores.spread import Column, Role
from electra_cli.metrics.scores.verdict import verdict

NOISE = (-0.004, -0.002, 0.0, 0.002, 0.004)  # sample standard deviation 0.0032


def column(label: str, mean: float, *, seeds: int = 5, role: Role = "model") -> Column:
    scores = {seed: mean + NOISE[seed] for seed in range(seeds)} if seeds > 1 else {0: mean}
    step = int(label.replace(",", "")) if role == "model" else None
    return Column(label, step, scores, role)


def test_a_curve_with_random_weights() -> None:
    columns = [
        column("0", 0.7),
        column("5,000", 0.8),
        column("10,000", 0.899),
        column("20,000", 0.9),
        column("random weights", 0.7, role="random"),
        column("probe", 0.6, role="probe"),
    ]
    assert verdict(columns, metric="accuracy", majority=0.5) == [
        "The best checkpoint is 20,000: accuracy 0.9000 ± 0.0032, mean and standard deviation of "
        "5 seeds.",
        "10,000 and 20,000 differ by less than the noise of the seeds.",
        "20,000 is better than 0 and 5,000 by more than the noise of the seeds.",
        "20,000 is 0.2000 better than random weights, more than the sum of both standard "
        "deviations (0.0032 + 0.0032 = 0.0063).",
    ]


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (0.895, "0.0050 better than random weights, not better by more than the sum"),
        (0.9, "as good as random weights, not better by more than the sum"),
        (0.95, "0.0500 worse than random weights, not better by more than the sum"),
    ],
)
def test_random_weights_that_are_as_good(mean: float, said: str) -> None:
    columns = [column("100", 0.9), column("random weights", mean, role="random")]
    sentences = verdict(columns, metric="accuracy", majority=0.5)
    assert len(sentences) == 2
    assert f"100 is {said}" in sentences[1]
    assert sentences[1].endswith("these seeds do not show that pretraining helps.")


def test_one_seed_tells_nothing_apart() -> None:
    columns = [
        column("10", 0.8, seeds=1),
        column("20", 0.9, seeds=1),
        column("random weights", 0.5, seeds=1, role="random"),
    ]
    assert verdict(columns, metric="f1", majority=0.0) == [
        "The best checkpoint is 20: f1 0.9000, one seed.",
        "One seed cannot tell a difference from the noise of the seeds; run it with --seeds 5.",
        "20 is 0.4000 better than random weights; one seed does not say whether that is noise.",
    ]


def test_failed_seeds_are_named() -> None:
    failed = Column("10", 10, {0: 0.5, 1: 0.9, 2: float("nan")})
    assert verdict([failed], metric="accuracy", majority=0.5)[1:] == [
        "10: 2 of 3 seeds failed (0, 2), no better than the majority baseline (0.5000)."
    ]


def test_of_an_error_less_is_better() -> None:
    columns = [column("10", 0.8), column("20", 0.9)]
    said = verdict(columns, metric="mse", majority=2.0)
    assert said[0].startswith("The best checkpoint is 10: mse 0.8 ± 0.003162")
    assert said[1] == "10 is better than 20 by more than the noise of the seeds."


def test_a_model_alone_and_no_model() -> None:
    assert verdict([column("10", 0.9)], metric="accuracy", majority=0.5) == [
        "10: accuracy 0.9000 ± 0.0032, mean and standard deviation of 5 seeds."
    ]
    assert not verdict([column("random", 0.9, role="random")], metric="f1", majority=0.5)


def test_checkpoints_stand_in_their_order() -> None:
    said = verdict([column("10", 0.9), column("20", 0.899)], metric="f1", majority=0.0)
    assert said[1] == "10 and 20 differ by less than the noise of the seeds."


def test_all_are_named_unless_they_are_very_many() -> None:
    said = [
        verdict([column(str(n), 0.1 * n) for n in range(many)], metric="f1", majority=-1)[1]
        for many in (8, 20)
    ]
    assert "better than 0, 1, 2, 3, 4, 5 and 6 by more" in said[0]
    assert "10, 11 and 7 more by" in said[1]
