from __future__ import annotations

import math

import pytest

from electra_cli.metrics.baselines import Baselines, constant_disc_loss, uniform_loss

KNOWN = Baselines(uniform=9.70, unigram=6.82, unigram_accuracy=0.045)


def test_losses_without_learning() -> None:
    assert uniform_loss(30522) == pytest.approx(10.326, abs=1e-3)
    assert constant_disc_loss(0.134) == pytest.approx(0.3939, abs=1e-4)
    assert constant_disc_loss(0.5) == pytest.approx(math.log(2))
    assert constant_disc_loss(0.0) == constant_disc_loss(1.0) == 0.0


@pytest.mark.parametrize("rate", [1.5, -0.1, 1.0000001, 1e308, math.nan])
def test_a_rate_that_is_no_share(rate: float) -> None:
    baselines, metrics = Baselines(4.42, 3.5), {"disc_loss": 0.2, "replaced_rate": rate}
    assert math.isnan(constant_disc_loss(rate))
    assert baselines.beside(metrics)["constant_disc_loss"] is None
    assert baselines.beside(metrics)["constant_disc_accuracy"] is None
    assert baselines.sentences(metrics) == []


def test_a_loss_of_hundreds_of_digits_is_short() -> None:
    (said,) = Baselines(4.42, 3.5).sentences({"masked_lm_loss": 1e308})
    assert "1.00e+308 nats worse than guessing by frequency" in said


@pytest.mark.parametrize(
    ("baselines", "metrics", "expected"),
    [
        (
            KNOWN,
            {"masked_lm_loss": 6.41, "disc_loss": 0.42, "replaced_rate": 0.134},
            [
                "the generator is 0.41 nats better than guessing by frequency (6.82) and 3.29 nats "
                "better than a uniform guess (9.70)",
                'the discriminator is 0.03 nats worse than always saying "original" (0.39, right '
                "for 86.6%)",
            ],
        ),
        (
            KNOWN,
            {"masked_lm_loss": 7.0},
            [
                "the network is 0.18 nats worse than guessing by frequency (6.82) and 2.70 nats "
                "better than a uniform guess (9.70)"
            ],
        ),
        (
            Baselines(9.70, None),
            {"masked_lm_loss": 7.0, "disc_loss": math.nan, "replaced_rate": 0.1},
            ["the generator is 2.70 nats better than a uniform guess (9.70)"],
        ),
        (
            Baselines(9.70, None),
            {"masked_lm_loss": 9.704, "disc_loss": 0.6, "replaced_rate": 0.0},
            [
                "the generator is as good as a uniform guess (9.70)",
                'the discriminator is 0.60 nats worse than always saying "original" (0.00, right '
                "for 100.0%)",
            ],
        ),
        (KNOWN, {"masked_lm_loss": math.nan, "disc_loss": 0.4}, []),
        # Of masks that chance fills.
        (KNOWN, {"masked_lm_loss": 9.70, "sampled_masked_lm_accuracy": 0.0}, []),
        (KNOWN, {}, []),
    ],
)
def test_sentences(baselines: Baselines, metrics: dict[str, float], expected: list[str]) -> None:
    assert baselines.sentences(metrics) == expected


@pytest.mark.parametrize(
    ("baselines", "metrics", "expected"),
    [
        (
            KNOWN,
            {"replaced_rate": 0.134},
            (9.70, 6.82, 0.045, pytest.approx(0.3939, abs=1e-4), 0.866),
        ),
        (Baselines(9.70, None), {"replaced_rate": math.nan}, (9.70, None, None, None, None)),
        (KNOWN, {}, (9.70, 6.82, 0.045, None, None)),
    ],
)
def test_numbers_to_hold_metrics_against(
    baselines: Baselines, metrics: dict[str, float], expected: tuple[object, ...]
) -> None:
    found = baselines.beside(metrics)
    assert tuple(found.values()) == expected
    assert list(found)[::3] == ["uniform_loss", "constant_disc_loss"]
