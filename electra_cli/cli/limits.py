"""METRIC=VALUE of `--fail-under`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from electra_cli.errors import ConfigError


def parse_limits(
    texts: Sequence[str], check: Callable[[str, str], None] = lambda text, name: None
) -> dict[str, float]:
    """Reads METRIC=VALUE pairs.

    Args:
      texts: The pairs.
      check: Raises ConfigError for a name that is no metric; receives the pair and the name.

    Raises:
      ConfigError: A value is no number.
    """
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        check(text, name)
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
    columns: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, float],
    shown: Callable[[str, float], str] = lambda name, value: f"{value:.4f}",
) -> list[str]:
    """A sentence for every metric below its limit; a metric that is no number is below.

    Args:
      columns: Metrics by what they are of.
      limits: By the name of a metric.
      shown: A metric's value as people read it, of its name and the value.
    """
    return [
        f"{name} is {shown(name, metrics[name])} at {column}, under the limit {shown(name, limit)}"
        for column, metrics in columns.items()
        for name, limit in limits.items()
        if not metrics[name] >= limit
    ]
