"""Sums over the tokens of a validation set, in constant memory, and the metrics made of them.

Shapes: B rows, S sequence, M masked positions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.curve import Calibration, RankingCurve

Arrays = Mapping[str, npt.NDArray]
# Counts hits among original tokens, from (ids, positions, hits) of those that a metric is about.
CountHits = Callable[[npt.NDArray, npt.NDArray, npt.NDArray], None]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


class TokenSums(ABC):
    """What is known after any number of steps about one kind of predictions.

    Attributes:
      logs: The arrays of a step it reads, beside input_ids and input_mask [B, S].
    """

    logs: tuple[str, ...]

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}

    def _count(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(amount)

    @abstractmethod
    def add(self, logs: Arrays, count_hits: CountHits) -> None:
        """Adds the tokens of one step.

        Args:
          logs: Of the step.
          count_hits: Receives what the metric that is broken down is about.
        """

    @abstractmethod
    def result(self) -> dict[str, float]:
        """The metrics; a ratio without anything below the line is NaN."""


class MaskedTokenSums(TokenSums):
    """Predictions of masked tokens, from arrays [B, M].

    Args:
      sampled: There are sampled tokens too.
      predicted: There are predictions, not samples alone.
    """

    def __init__(self, *, sampled: bool, predicted: bool = True) -> None:
        super().__init__()
        self._sampled, self._predicted = sampled, predicted
        self.logs = (
            "masked_lm_cross_entropy",
            "masked_lm_ids",
            "masked_lm_positions",
            "masked_lm_weights",
            *(("masked_lm_predictions", "masked_lm_rank") if predicted else ()),
            *(("sampled_ids",) if sampled else ()),
        )

    def add(self, logs: Arrays, count_hits: CountHits) -> None:
        """Adds the slots in use."""
        used = logs["masked_lm_weights"] > 0  # [B, M]
        original = logs["masked_lm_ids"][used]  # [masked]
        nats = logs["masked_lm_cross_entropy"][used].sum(dtype=np.float64)
        self._count(masked=used.sum(), nats=nats)
        if self._sampled:
            right = logs["sampled_ids"][used] == original  # [masked]
            self._count(sampled=right.sum())
        if self._predicted:
            right = logs["masked_lm_predictions"][used] == original  # [masked]
            self._count(correct=right.sum(), top5=(logs["masked_lm_rank"][used] < 5).sum())
        count_hits(original, logs["masked_lm_positions"][used], right)

    def result(self) -> dict[str, float]:
        """Loss in nats, its exponential, and shares of the masked tokens."""
        s = self._sums
        loss = _ratio(s["nats"], s["masked"])
        found = {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        if self._predicted:
            found["accuracy"] = _ratio(s["correct"], s["masked"])
            found["top5_accuracy"] = _ratio(s["top5"], s["masked"])
        if self._sampled:
            found["sampled_accuracy"] = _ratio(s["sampled"], s["masked"])
        return found


class ClozeTokenSums(TokenSums):
    """How likely tokens are that may be masked, from arrays [B, S]."""

    logs = ("cloze_cross_entropy", "cloze_is_best", "cloze_weights")

    def add(self, logs: Arrays, count_hits: CountHits) -> None:
        """Adds the tokens that may be masked."""
        used = logs["cloze_weights"] > 0  # [B, S]
        nats = logs["cloze_cross_entropy"][used].sum(dtype=np.float64)
        right = logs["cloze_is_best"][used] > 0  # [tokens]
        self._count(tokens=used.sum(), nats=nats, correct=right.sum())
        count_hits(logs["input_ids"][used], np.nonzero(used)[1], right)

    def result(self) -> dict[str, float]:
        """Loss in nats, its exponential, and the share of tokens that are the likeliest."""
        s = self._sums
        loss = _ratio(s["nats"], s["tokens"])
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "accuracy": _ratio(s["correct"], s["tokens"]),
        }


class ReplacedTokenSums(TokenSums):
    """Verdicts on tokens that may be replaced, from arrays [B, S]; above 0 is "replaced"."""

    logs = ("disc_cross_entropy", "disc_logits", "disc_labels")

    def __init__(self) -> None:
        super().__init__()
        self._curve = RankingCurve()
        self._calibration = Calibration()

    def add(self, logs: Arrays, count_hits: CountHits) -> None:
        """Adds the tokens that are not padding."""
        tokens = logs["input_mask"] > 0  # [B, S]
        logits = logs["disc_logits"][tokens]  # [tokens]
        replaced = logs["disc_labels"][tokens] > 0  # [tokens]
        predicted = logits > 0
        self._count(
            tokens=tokens.sum(),
            nats=logs["disc_cross_entropy"][tokens].sum(dtype=np.float64),
            correct=(predicted == replaced).sum(),
            replaced=replaced.sum(),
            predicted=predicted.sum(),
            found=(predicted & replaced).sum(),
            # Rows that only fill the last batch are no part of the text, nor is their padding.
            padding=(~tokens[tokens.any(axis=1)]).sum(),
        )
        self._curve.add(logits, replaced)
        self._calibration.add(logits, replaced)
        where = np.nonzero(tokens)[1]  # [tokens]
        count_hits(logs["input_ids"][tokens][replaced], where[replaced], predicted[replaced])

    def result(self) -> dict[str, float]:
        """Loss in nats, shares of the tokens, and areas below curves."""
        s = self._sums
        auc, negatives = self._curve.auc(), self._curve.negatives
        return {
            "loss": _ratio(s["nats"], s["tokens"]),
            "accuracy": _ratio(s["correct"], s["tokens"]),
            "precision": _ratio(s["found"], s["predicted"]),
            "recall": _ratio(s["found"], s["replaced"]),
            "f1": _ratio(2 * s["found"], s["predicted"] + s["replaced"]),
            "auc": auc,
            # Padding has a probability of 0 there, below every token: run_pretraining.py,
            # `metric_fn`, multiplies by the mask and gives no weights.
            "auc_reference": _ratio(auc * negatives + s["padding"], negatives + s["padding"]),
            "average_precision": self._curve.average_precision(),
            "calibration_error": self._calibration.error(),
            "replaced_rate": _ratio(s["replaced"], s["tokens"]),
        }
