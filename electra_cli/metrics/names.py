"""The names of the validation metrics, in the order in which they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

METRICS = (
    "total_loss",
    "masked_lm_loss",
    "masked_lm_perplexity",
    "masked_lm_accuracy",
    "sampled_masked_lm_accuracy",
    "disc_loss",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "disc_f1",
    "disc_auc",
    "replaced_rate",
)


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for JSON, which has no NaN: a ratio over nothing becomes null."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
