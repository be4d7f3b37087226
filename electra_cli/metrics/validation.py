"""Corpus-level validation metrics: sums over all tokens, never means of batch means.

The names are the reference's (run_pretraining.py, `metric_fn`). Shapes: B rows, S sequence,
M masked positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.errors import DataError
from electra_cli.metrics.breakdown import Breakdown, Flags
from electra_cli.metrics.curve import Calibration, RankingCurve
from electra_cli.metrics.names import ALL_METRICS

# What a validation step hands over, besides the shapes [B, M] and [B, S].
MASKED_LM_LOGS = (
    "masked_lm_cross_entropy",
    "masked_lm_ids",
    "masked_lm_positions",
    "masked_lm_predictions",
    "masked_lm_rank",
    "sampled_ids",
    "masked_lm_weights",
)
DISC_LOGS = ("disc_cross_entropy", "disc_logits", "disc_labels", "input_ids", "input_mask")

Logs = Mapping[str, Any]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _joined(value: Any) -> npt.NDArray:
    """The replicas' parts of a log as one array, along the batch."""
    parts = value if isinstance(value, tuple | list) else (value,)
    return np.concatenate([np.asarray(part) for part in parts], axis=0)  # [B, ...]


class ValidationState:
    """What is known after any number of validation steps, in constant memory.

    Args:
      generator_weight: Weight of the masked-LM loss in the total.
      disc_weight: Weight of the discriminator's loss in the total.
      vocab_size: V.
      continuations: [V], which word pieces continue a word; None if that is not known.
    """

    def __init__(
        self,
        *,
        generator_weight: float,
        disc_weight: float,
        vocab_size: int,
        continuations: Flags | None = None,
    ) -> None:
        self._weights = (generator_weight, disc_weight)
        self._sums: dict[str, float] = {}
        self._curve = RankingCurve()
        self._calibration = Calibration()
        self._breakdown = Breakdown(vocab_size, continuations)

    def _count(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(amount)

    def add(self, logs: Logs) -> None:
        """Adds the tokens of one step.

        Args:
          logs: [B, M] arrays under the names of MASKED_LM_LOGS and [B, S] arrays under those of
            DISC_LOGS; weights and mask say which elements count. A value may be a tuple with one
            tensor for each replica; they are joined along the batch.

        Raises:
          DataError: One of them is missing.
        """
        missing = [name for name in (*MASKED_LM_LOGS, *DISC_LOGS) if name not in logs]
        if missing:
            raise DataError(
                f"the logs of a validation step lack {', '.join(missing)}; they have "
                f"{', '.join(sorted(logs))}",
                hint="pass what validation_step returned, whole",
            )
        logs = {name: _joined(logs[name]) for name in (*MASKED_LM_LOGS, *DISC_LOGS)}
        length = logs["input_ids"].shape[1]
        used = logs["masked_lm_weights"] > 0  # [B, M]
        original = logs["masked_lm_ids"][used]  # [masked]
        right = logs["masked_lm_predictions"][used] == original  # [masked]
        self._count(
            masked=used.sum(),
            masked_nats=logs["masked_lm_cross_entropy"][used].sum(dtype=np.float64),
            masked_correct=right.sum(),
            masked_top5=(logs["masked_lm_rank"][used] < 5).sum(),
            sampled_correct=(logs["sampled_ids"][used] == original).sum(),
        )
        where = logs["masked_lm_positions"][used]  # [masked]
        self._breakdown.add("masked_lm_accuracy", original, where, right, length=length)
        tokens = logs["input_mask"] > 0  # [B, S]
        logits = logs["disc_logits"][tokens]  # [tokens]
        replaced = logs["disc_labels"][tokens] > 0  # [tokens]
        predicted = logits > 0
        self._count(
            tokens=tokens.sum(),
            disc_nats=logs["disc_cross_entropy"][tokens].sum(dtype=np.float64),
            disc_correct=(predicted == replaced).sum(),
            replaced=replaced.sum(),
            predicted=predicted.sum(),
            found=(predicted & replaced).sum(),
            # Rows that only fill the last batch are no part of the text, nor is their padding.
            padding=(~tokens[tokens.any(axis=1)]).sum(),
        )
        self._curve.add(logits, replaced)
        self._calibration.add(logits, replaced)
        ids = logs["input_ids"][tokens]  # [tokens]
        self._breakdown.count_frequencies(ids)
        self._breakdown.add(
            "disc_recall",
            ids[replaced],
            np.nonzero(tokens)[1][replaced],
            predicted[replaced],
            length=length,
        )

    def result(self) -> dict[str, float]:
        """All of ALL_METRICS; a ratio without anything below the line is NaN."""
        s = self._sums
        if not s:
            return dict.fromkeys(ALL_METRICS, float("nan"))
        masked_lm_loss = _ratio(s["masked_nats"], s["masked"])
        disc_loss = _ratio(s["disc_nats"], s["tokens"])
        generator_weight, disc_weight = self._weights
        auc, negatives = self._curve.auc(), self._curve.negatives
        return {
            "total_loss": generator_weight * masked_lm_loss + disc_weight * disc_loss,
            "masked_lm_loss": masked_lm_loss,
            "masked_lm_perplexity": math.exp(min(masked_lm_loss, 700.0)),
            "masked_lm_accuracy": _ratio(s["masked_correct"], s["masked"]),
            "masked_lm_top5_accuracy": _ratio(s["masked_top5"], s["masked"]),
            "sampled_masked_lm_accuracy": _ratio(s["sampled_correct"], s["masked"]),
            "disc_loss": disc_loss,
            "disc_accuracy": _ratio(s["disc_correct"], s["tokens"]),
            "disc_precision": _ratio(s["found"], s["predicted"]),
            "disc_recall": _ratio(s["found"], s["replaced"]),
            "disc_f1": _ratio(2 * s["found"], s["predicted"] + s["replaced"]),
            "disc_auc": auc,
            # Padding has a probability of 0 there, below every token: run_pretraining.py,
            # `metric_fn`, multiplies by the mask and gives no weights.
            "disc_auc_reference": _ratio(auc * negatives + s["padding"], negatives + s["padding"]),
            "disc_average_precision": self._curve.average_precision(),
            "disc_calibration_error": self._calibration.error(),
            "replaced_rate": _ratio(s["replaced"], s["tokens"]),
            **self._breakdown.result(),
        }
