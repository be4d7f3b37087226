"""METRIC=VALUE of `--fail-under`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from electra_cli.config.nearest import did_you_mean
from electra_cli.errors import ConfigError
from electra_cli.metrics.scores.names import higher_is_better, is_score


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
        name, _, value = text.rpartition("=") if "=" in text else (text, "", "")
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


def check_names(limits: Mapping[str, float], scores: Sequence[str]) -> None:
    """Refuses limits on what is no score of a task, or better the lower it is.

    Raises:
      ConfigError: There is such a limit.
    """
    rising = [name for name in scores if is_score(name) and higher_is_better(name)]
    for name in limits:
        if name not in rising:
            raise ConfigError(
                f"--fail-under {name}: this task has no such score of which more is better",
                hint=did_you_mean(name, rising, form="--fail-under {}=VALUE"),
            )


def missed_limits(
    columns: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, float],
    shown: Callable[[str, float], str] = lambda name, value: _figure(value),
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


def _figure(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "n/a"
