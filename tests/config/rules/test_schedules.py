"""Learning rates at every update, by formulas written down once more, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from electra_cli.config.rules.schedules import Course, same_rates
from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError

PEAK = 5e-4
Formula = Callable[[int, int, int, int], float]  # of t, T, W, D: the decay alone

FORMULAS: dict[tuple[Any, Any], Formula] = {
    ("electra", "linear"): lambda t, end, warm, decay: 1 - t / end,
    ("linear", "linear"): lambda t, end, warm, decay: (
        1 if t < min(warm, end) else 0 if t == end else (end - t) / (end - warm)
    ),
    ("cosine", "linear"): lambda t, end, warm, decay: (
        1
        if t < min(warm, end)
        else 0
        if t == end
        else (1 + math.cos(math.pi * (t - warm) / (end - warm))) / 2
    ),
    ("constant", "linear"): lambda t, end, warm, decay: 1,
    ("wsd", "linear"): lambda t, end, warm, decay: (
        1 if t <= end - decay else 1 - (t - (end - decay)) / decay
    ),
    ("wsd", "1-sqrt"): lambda t, end, warm, decay: (
        1 if t <= end - decay else 1 - math.sqrt((t - (end - decay)) / decay)
    ),
}


@pytest.mark.parametrize(("schedule", "shape"), FORMULAS)
def test_every_update_by_its_formula(schedule: Any, shape: Any) -> None:
    formula = FORMULAS[schedule, shape]
    for end, warm, decay in (
        (20, 4, 5),
        (20, 0, 5),
        (20, 0, 1),
        (20, 18, 10),  # the decay begins while it still warms up
        (20, 30, 5),  # so long a warm-up has no end
        (20, 4, 20),  # all of it is decay
        (20, 4, 25),
        (1, 0, 1),
        (1, 4, 3),
    ):
        t = np.arange(1, end + 1, dtype=np.float64)
        found = Course(schedule, end, warm, decay, shape).rate(PEAK, t, np)
        expected = [
            PEAK * formula(n, end, warm, min(decay, end)) * (min(1, n / warm) if warm else 1)
            for n in range(1, end + 1)
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-18)
        if schedule != "constant":
            assert found[-1] == 0.0


def test_without_an_end_nothing_falls() -> None:
    t = np.arange(1, 10, dtype=np.float64)
    for schedule in ("constant", "wsd"):
        course = Course(schedule, None, 4, decay_steps=3)
        np.testing.assert_array_equal(course.rate(1.0, t, np), np.minimum(1, t / 4))
        assert course.decay_begins is None
    assert Course("wsd", 100, 4).decay_begins == 90  # a tenth
    assert Course("wsd", 5, 0).decay_begins == 4
    assert Course("linear", 100, 4).decay_begins is None


@pytest.mark.parametrize(
    ("values", "other", "updates", "same"),
    [
        ({"schedule": "constant"}, {"steps": 300}, 100, True),
        ({"schedule": "constant"}, {"steps": None}, 100, True),
        ({"schedule": "wsd", "decay_steps": 20}, {"steps": 200}, 80, True),
        ({"schedule": "wsd", "decay_steps": 20}, {"steps": 200}, 81, False),
        ({"schedule": "wsd", "decay_steps": 20}, {"steps": 90}, 71, False),
        ({"schedule": "electra"}, {"steps": 101}, 1, False),
        ({"schedule": "electra"}, {"steps": 101}, 0, True),
        ({"schedule": "linear", "warmup_steps": 10}, {"steps": 200}, 10, True),
        ({"schedule": "linear", "warmup_steps": 10}, {"steps": 200}, 11, False),
        ({"schedule": "cosine", "warmup_steps": 10}, {"steps": 200}, 11, False),
    ],
)
def test_how_long_two_ends_have_the_same_rates(
    values: dict[str, Any], other: dict[str, Any], updates: int, same: bool
) -> None:
    optimizer = {f"optimizer.{key}": value for key, value in values.items()}
    one = Config().replaced({"train.steps": 100, "optimizer.warmup_steps": 0} | optimizer)
    another = one.replaced({f"train.{key}": value for key, value in other.items()})
    assert same_rates(one, another, updates) is same


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"train.steps": None}, ("train.steps null", "schedule electra", "schedule=wsd")),
        (
            {"train.steps": None, "optimizer.schedule": "cosine"},
            ("train.steps null", "schedule cosine", "--steps N"),
        ),
        ({"optimizer.decay_steps": 5}, ("decay_steps 5", "schedule electra", "schedule=wsd")),
        (
            {"optimizer.decay_shape": "1-sqrt", "optimizer.schedule": "constant"},
            ("decay_shape 1-sqrt", "schedule constant", "leave optimizer.decay_shape out"),
        ),
        (
            {"optimizer.schedule": "wsd", "optimizer.decay_steps": 9, "train.steps": 8},
            ("decay_steps 9 is more than train.steps 8", "decay_steps=8", "--steps 9"),
        ),
    ],
)
def test_contradictions_are_refused(values: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as error:
        Config().replaced(values)
    for word in words:
        assert word in error.value.message + error.value.hint
