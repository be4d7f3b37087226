"""The published curve: whose it is, and what it says at a step."""

from __future__ import annotations

import numpy as np
import pytest

from electra_cli.config.load import load_config, parse_set
from electra_cli.config.presets import available_presets
from electra_cli.report.published import published_curve


def curve_of(preset: str, *settings: str):
    overrides = [parse_set(text) for text in settings]
    return published_curve(load_config(preset=preset, environment={}, overrides=overrides).config)


def test_presets_that_have_one() -> None:
    assert [name for name in available_presets() if curve_of(name)] == ["small"]


@pytest.mark.parametrize(
    ("setting", "has_one"),
    [
        ("model.vocab_size=3000", True),
        ("train.steps=5", True),
        ("objective.sampling=distinct", True),
        ("train.batch_size=64", False),
        ("data.sequence_length=64", False),
        ("generator.size=0.5", False),
        ("generator.layers=0.5", False),
        ("generator.sharing=disentangled", False),
        ("objective.name=mlm", False),
        ("model.num_layers=11", False),
    ],
)
def test_what_has_to_agree(setting: str, has_one: bool) -> None:
    assert (curve_of("small", setting) is not None) == has_one


def test_values_of_the_source() -> None:
    curve = curve_of("small")
    assert curve.at(1_000_000, "disc_loss") == 0.160
    assert curve.at(62_500, "masked_lm_loss") == pytest.approx(3.67 - 0.25 * 0.14)
    assert curve.at(12_500, "disc_precision") is None  # outside of the figure
    assert curve.at(1_000, "disc_loss") is None
    assert curve.at(100_000, "no such metric") is None
    # The figure's own total is the sum of its parts, as far as it can be read off.
    columns = curve.curve.columns
    total = columns["masked_lm_loss"] + 50 * columns["disc_loss"]
    assert np.abs(total - columns["total_loss"])[2:].max() < 0.1
