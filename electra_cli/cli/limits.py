"""METRIC=VALUE of `--fail-under`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from electra_cli.errors import ConfigError


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Reads METRIC=VALUE pairs.

    Raises:
      ConfigError: A value is no number.
    """
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            limits[name] = float(value)
        except ValueError:
            limits[name] = math.nan
        if math.isnan(limits[name]):
            raise ConfigError(
                f"--fail-under {text!r}: {value!r} is no number",
                hint=f"--fail-under {name or 'METRIC'}=0.8",
            )
    return limits


def missed_limits(
    columns: Mapping[str, Mapping[str, float]], limits: Mapping[str, float]
) -> list[str]:
    """A sentence for every metric below its limit; a metric that is no number is below."""
    return [
        f"{name} is {metrics[name]:.4f} at {column}, under the limit {limit:.4f}"
        for column, metrics in columns.items()
        for name, limit in limits.items()
        if not metrics[name] >= limit
    ]
