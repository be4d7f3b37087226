"""Names of groups of tokens, and metrics as JSON and people read them; objectives name them."""

from __future__ import annotations

import math
from collections.abc import Mapping

# The groups of tokens that some metrics are broken down by: the original token's rank by
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
# Not a metric, but beside all of them: what the training has cost up to there.
FLOPS = "flops"
FROM_HERE_EXPONENTS = 1e7  # a longer number would not fit its place


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for JSON, which has no NaN: a ratio over nothing becomes null."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def format_metric(name: str, value: float | None) -> str:
    """A metric as people read it: shares in percent, losses and areas as numbers."""
    if value is None or math.isnan(value):
        return "n/a"
    if name == FLOPS:
        return format_flops(value)
    if abs(value) >= FROM_HERE_EXPONENTS:
        return f"{value:.3e}"
    if name.endswith("_perplexity"):
        return f"{value:,.1f}"
    return f"{100 * value:.2f}%" if is_share(name) else f"{value:.4f}"


def format_flops(value: float) -> str:
    """A number of floating point operations: 1.23e15; 0 of none."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value else "0"


def is_share(name: str) -> bool:
    """Whether a metric says how many of some tokens; the rest are losses and areas."""
    return not name.endswith(
        ("_loss", "_perplexity", "_auc", "_auc_reference", "_average_precision")
    )
