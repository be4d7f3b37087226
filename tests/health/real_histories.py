"""Histories of runs that were trained: what was logged, as it was, or as it was published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from electra_cli.health.facts import Facts
from tests.health.histories import SMALL, TINY, Line, noise

# `electra pretrain --preset tiny` on the built-in corpus, whose generator hardly gets beyond
# frequencies in its 430 steps, and whose discriminator becomes worse all the time.
DEMO = replace(
    TINY,
    vocab_size=10_720,
    steps=430,
    examples=5319,
    validation_examples=152,
    padding_share=None,
    dropped_share=0.173,
    unigram_loss=5.873,
)

# masked_lm_loss, disc_loss and gradient_norm of every tenth step.
_DEMO_TRAIN = (
    (9.291, 0.4009, 21.79),
    (9.086, 0.3687, 14.03),
    (8.780, 0.3342, 15.51),
    (8.510, 0.2939, 17.37),
    (8.237, 0.2820, 13.68),
    (7.963, 0.2765, 10.91),
    (7.885, 0.2791, 13.20),
    (7.539, 0.2710, 11.16),
    (7.355, 0.2826, 9.15),
    (7.271, 0.2655, 10.15),
    (7.143, 0.2832, 13.35),
    (6.914, 0.2981, 13.89),
    (6.823, 0.2847, 9.80),
    (6.736, 0.3110, 7.26),
    (6.533, 0.3158, 6.93),
    (6.486, 0.3149, 7.96),
    (6.216, 0.3248, 8.13),
    (6.271, 0.3222, 5.81),
    (6.193, 0.3343, 12.24),
    (6.540, 0.3360, 10.66),
    (6.163, 0.3420, 6.51),
    (6.245, 0.3547, 7.65),
    (6.234, 0.3563, 11.47),
    (6.123, 0.3480, 7.08),
    (6.319, 0.3586, 6.49),
    (6.106, 0.3513, 6.16),
    (6.284, 0.3653, 8.58),
    (6.320, 0.3704, 6.59),
    (6.159, 0.3612, 6.17),
    (6.282, 0.3418, 6.68),
    (6.004, 0.3458, 7.62),
    (6.043, 0.3543, 6.00),
    (6.055, 0.3570, 4.99),
    (6.071, 0.3682, 6.61),
    (6.260, 0.3763, 8.99),
    (5.911, 0.3510, 6.36),
    (6.203, 0.3461, 8.22),
    (6.143, 0.3543, 4.62),
    (5.984, 0.3499, 6.11),
    (5.991, 0.3550, 5.14),
    (6.041, 0.3561, 5.34),
    (6.290, 0.3587, 6.45),
    (6.255, 0.3561, 5.90),
)

_HELD_OUT = (
    "masked_lm_loss",
    "sampled_masked_lm_accuracy",
    "disc_loss",
    "disc_recall",
    "disc_auc",
    "replaced_rate",
)
_DEMO_HELD_OUT = {
    0: (9.330, 0.0000, 0.6275, 0.3601, 0.5425, 0.1394),
    100: (7.210, 0.0033, 0.2948, 0.3484, 0.8509, 0.1390),
    200: (6.433, 0.0092, 0.3430, 0.1680, 0.7483, 0.1381),
    300: (6.255, 0.0119, 0.3614, 0.1084, 0.6983, 0.1378),
    400: (6.207, 0.0132, 0.3574, 0.1329, 0.7023, 0.1376),
    430: (6.205, 0.0132, 0.3639, 0.1121, 0.6858, 0.1376),
}

# The curve that the authors of ELECTRA published for the small model, evaluated: step, loss of the
# generator, accuracy of its samples, loss of the discriminator, AUC. What it starts with, and the
# accuracies before step 150,000, are estimates.
_PUBLISHED = np.array(
    [
        (0, 10.3, 0.0, 0.69, 0.5),
        (1_000, 6.6, 0.01, 0.36, 0.68),
        (12_500, 5.1, 0.2, 0.248, 0.86),
        (25_000, 3.99, 0.27, 0.239, 0.859),
        (50_000, 3.67, 0.30, 0.223, 0.874),
        (100_000, 3.53, 0.315, 0.209, 0.889),
        (150_000, 3.47, 0.323, 0.2005, 0.898),
        (200_000, 3.43, 0.328, 0.195, 0.903),
    ]
)

# A run of a user in an early state that looks bad and is normal: step 5,000 of preset small.
_EARLY = (7.134, 0.0034, 0.3594, 0.048, 0.6815, 0.1385)


def demo() -> Iterator[Line]:
    """The demo run, all of it."""
    yield {"kind": "start", "step": 0}
    for step in range(0, 431, 10):
        if step:
            yield train(step, *_DEMO_TRAIN[step // 10 - 1], speed=200.0 + 0.1 * step)
        if step in _DEMO_HELD_OUT:
            yield held_out(step, *_DEMO_HELD_OUT[step])


def published(facts: Facts = SMALL) -> Iterator[Line]:
    """The published curve as if it were logged, with what batches of 128 rows differ by."""
    steps, *columns = _PUBLISHED.T
    yield {"kind": "start", "step": 0}
    for step in range(100, int(steps[-1]) + 1, 100):
        loss, samples, disc, area = (float(np.interp(step, steps, one)) for one in columns)
        norm = 1.5 + noise(step, 0.5)
        yield train(step, loss + noise(step, 0.1), disc + noise(step + 1, 0.005), norm)
        if step % 10_000 == 0:
            rate = 0.142 * (1 - samples)
            yield held_out(step, loss, samples, disc, 0.3, area, rate)


def early() -> Iterator[Line]:
    """The first 5,000 steps of preset small, all as bad as they were at the end."""
    yield {"kind": "start", "step": 0}
    loss, _, disc, *_ = _EARLY
    for step in range(100, 5001, 100):
        yield train(step, loss + noise(step, 0.1), disc + noise(step + 1, 0.01), 3.0)
        if step % 1000 == 0:
            yield held_out(step, *_EARLY)


def train(step: int, loss: float, disc: float, norm: float, *, speed: float = 100.0) -> Line:
    """A line of a step."""
    return {
        "kind": "train",
        "step": step,
        "masked_lm_loss": loss,
        "disc_loss": disc,
        "total_loss": loss + 50 * disc,
        "gradient_norm": norm,
        "skipped_steps": 0,
        "sequences_per_second": speed,
    }


def held_out(step: int, *values: float) -> Line:
    """A line of an evaluation."""
    named: dict[str, Any] = dict(zip(_HELD_OUT, values, strict=True))
    return {"kind": "validation", "step": step, **named}
