"""The metrics that a report draws, and what each of them would be without learning."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from electra_cli.metrics.baselines import constant_disc_loss
from electra_cli.report.record import RunRecord


@dataclass(frozen=True)
class Metric:
    """A metric that has a panel.

    Attributes:
      baselines: By name, for a run; NaN for one that is not known.
      only_beside_published: It is of interest only where there is a published curve of it.
    """

    title: str
    unit: str
    baselines: Callable[[RunRecord], Mapping[str, float]] = lambda record: {}
    only_beside_published: bool = False


def _replaced_rate(record: RunRecord) -> float:
    """Of the newest evaluation that has one; NaN for none."""
    rates = record.history.validation.column("replaced_rate")  # [N]
    known = rates[(rates >= 0) & (rates <= 1)]
    return float(known[-1]) if known.size else math.nan


def _guesses(record: RunRecord) -> dict[str, float]:
    """Of the loss at masked tokens, by name."""
    baselines = record.baselines
    unigram = math.nan if baselines.unigram is None else baselines.unigram
    return {"uniform guess": baselines.uniform, "guess by frequency": unigram}


def _always_original(record: RunRecord) -> dict[str, float]:
    rate = _replaced_rate(record)
    return {_ORIGINAL: math.nan if math.isnan(rate) else constant_disc_loss(rate)}


def _nothing_but_frequencies(record: RunRecord) -> dict[str, float]:
    objective = record.config.objective
    if objective.name != "electra":
        return {}
    generator, disc = _guesses(record)["guess by frequency"], _always_original(record)[_ORIGINAL]
    total = objective.generator_weight * generator + objective.disc_weight * disc
    return {"both of them guessing": total}


_ORIGINAL = "always “original”"
METRICS: Mapping[str, Metric] = {
    "masked_lm_loss": Metric("Loss at masked tokens", "nats a token, less is better", _guesses),
    "cloze_loss": Metric(
        "Loss of two towers at all tokens", "nats a token, less is better", _guesses
    ),
    "disc_loss": Metric(
        "Loss of the discriminator", "nats a token, less is better", _always_original
    ),
    "total_loss": Metric("Total loss", "weighted sum of losses", _nothing_but_frequencies),
    "disc_auc": Metric("AUC of the discriminator", "1 is perfect", lambda record: {"chance": 0.5}),
    "disc_auc_reference": Metric(
        "AUC as the authors count", "padding is an easy token", only_beside_published=True
    ),
    "masked_lm_accuracy": Metric("Accuracy at masked tokens", "share of tokens"),
    "disc_accuracy": Metric(
        "Accuracy of the discriminator",
        "share of tokens",
        lambda record: {_ORIGINAL: 1 - _replaced_rate(record)},
    ),
    "disc_recall": Metric("Replaced tokens that were found", "recall of the discriminator"),
    "disc_precision": Metric("Alarms that were right", "precision of the discriminator"),
    "replaced_rate": Metric("Tokens that were replaced", "share of tokens"),
    "learning_rate": Metric("Learning rate", "as it was applied"),
    "gradient_norm": Metric(
        "Gradient norm",
        "of all weights, before it is clipped",
        lambda record: {"clipped above": record.config.optimizer.clip_norm},
    ),
    "tokens_per_second": Metric("Throughput", "tokens a second"),
}
