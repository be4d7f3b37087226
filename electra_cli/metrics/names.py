"""The names of the validation metrics, in the order in which they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

METRICS = (
    "total_loss",
    "masked_lm_loss",
    "masked_lm_perplexity",
    "masked_lm_accuracy",
    "masked_lm_top5_accuracy",
    "sampled_masked_lm_accuracy",
    "disc_loss",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "disc_f1",
    "disc_auc",
    "disc_auc_reference",
    "disc_average_precision",
    "disc_calibration_error",
    "replaced_rate",
)

# What only the whole validation set can say; the others are also Keras metrics of single steps.
_CORPUS_ONLY = (
    "masked_lm_top5_accuracy",
    "disc_auc_reference",
    "disc_average_precision",
    "disc_calibration_error",
)
STEP_METRICS = tuple(name for name in METRICS if name not in _CORPUS_ONLY)

# The groups of tokens that two of the metrics are broken down by: the original token's rank by
# frequency in the held-out text, its quarter of the row, and whether it begins a word.
FREQUENCY_BANDS = ((1, 100), (101, 1_000), (1_001, 10_000), (10_001, None))
POSITION_BANDS = 4
BANDS = (
    *(
        f"rank_{first}_to_{last}" if last else f"rank_from_{first}"
        for first, last in FREQUENCY_BANDS
    ),
    *(f"position_quarter_{number}" for number in range(1, POSITION_BANDS + 1)),
    "word_start",
    "word_continuation",
)
BROKEN_DOWN = ("masked_lm_accuracy", "disc_recall")
BREAKDOWNS = tuple(f"{metric}/{band}" for metric in BROKEN_DOWN for band in BANDS)

ALL_METRICS = METRICS + BREAKDOWNS


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for JSON, which has no NaN: a ratio over nothing becomes null."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
