"""What a table of checkpoints says, in sentences: the best, and which differ by more than noise.

One column is better than another if its mean is better by more than the sum of both standard
deviations. Of two columns that are alike one passes by chance in 0.8% of all tables of five seeds,
and in 4% and 11% of those of three and two (simulated, normal scores); the best of many that are
alike passes more often. Data that is scored is a sample too, and no number of seeds measures how
much another sample would change the scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from electra_cli.errors import counted, listed
from electra_cli.metrics.scores.names import MSE, higher_is_better
from electra_cli.metrics.scores.spread import Column, Spread, spread

_MOST_NAMED = 12  # columns in a sentence


def verdict(columns: Sequence[Column], *, metric: str, majority: float) -> list[str]:
    """Says in words what a table shows.

    Args:
      columns: Checkpoints and baselines with their scores by seed, checkpoints in ascending order.
      metric: What is compared.
      majority: Its value for the majority baseline.

    Returns:
      Sentences; none if no column is a model.
    """
    table = [(each, spread(each.scores, metric=metric, majority=majority)) for each in columns]
    models = [row for row in table if row[0].role == "model"]
    if not models:
        return []
    sign = 1 if higher_is_better(metric) else -1
    best = max(models, key=lambda row: sign * row[1].mean)  # the earliest of several
    said = [_best(best, metric, alone=len(models) == 1)]
    randoms = [row for row in table if row[0].role == "random"]
    compared = [row for row in models + randoms if row is not best]
    if compared and any(len(row[1].scores) < 2 for row in (best, *compared)):
        said.append(
            "One seed cannot tell a difference from the noise of the seeds; run it with --seeds 5."
        )
    said += _among(best, models)
    said += [_against_random(best, row, metric) for row in randoms]
    return said + [_failures(*row, metric, majority) for row in table if row[1].failed]


Row = tuple[Column, Spread]


def figure(value: float, metric: str) -> str:
    """A score for people: four decimals, or four digits of an error, whose unit is the data's."""
    return f"{value:.4g}" if metric == MSE else f"{value:.4f}"


def _best(best: Row, metric: str, *, alone: bool) -> str:
    column, found = best
    beginning = column.label if alone else f"The best checkpoint is {column.label}"
    if len(found.scores) == 1:
        return f"{beginning}: {metric} {figure(found.mean, metric)}, one seed."
    return (
        f"{beginning}: {metric} {figure(found.mean, metric)} ± {figure(found.deviation, metric)}, "
        f"mean and standard deviation of {len(found.scores)} seeds."
    )


def _among(best: Row, models: Sequence[Row]) -> list[str]:
    """Which checkpoints are as good as the best, and which are not."""
    alike, worse = [], []  # where one seed leaves the noise unknown, neither
    for row in models:
        noise = best[1].deviation + row[1].deviation
        gain = abs(best[1].mean - row[1].mean)
        alike += [row[0]] * (row is best or gain <= noise)
        worse += [row[0]] * (row is not best and gain > noise)
    said = []
    if len(alike) > 1:
        said.append(f"{_named(alike)} differ by less than the noise of the seeds.")
    if worse:
        said.append(
            f"{best[0].label} is better than {_named(worse)} by more than the noise of the seeds."
        )
    return said


def _against_random(best: Row, random: Row, metric: str) -> str:
    gain = best[1].mean - random[1].mean
    gain = gain if higher_is_better(metric) else -gain
    compared = f"{figure(abs(gain), metric)} {'better' if gain > 0 else 'worse'} than"
    said = f"{best[0].label} is {compared if gain else 'as good as'} {random[0].label}"
    deviations = (best[1].deviation, random[1].deviation)
    noise = sum(deviations)
    if math.isnan(noise):
        return f"{said}; one seed does not say whether that is noise."
    both = " + ".join(figure(value, metric) for value in deviations)
    both = f"the sum of both standard deviations ({both} = {figure(noise, metric)})"
    if gain > noise:
        return f"{said}, more than {both}."
    return (
        f"{said}, not better by more than {both}: these seeds do not show that pretraining helps."
    )


def _failures(column: Column, found: Spread, metric: str, majority: float) -> str:
    seeds = ", ".join(str(seed) for seed in found.failed)
    return (
        f"{column.label}: {len(found.failed)} of {counted(len(found.scores), 'seed')} failed "
        f"({seeds}), no better than the majority baseline ({figure(majority, metric)})."
    )


def _named(columns: Sequence[Column]) -> str:
    labels = [column.label for column in columns]
    if len(labels) > _MOST_NAMED:
        return listed(labels, _MOST_NAMED)
    return " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
