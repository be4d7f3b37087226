"""Corpus-level validation metrics: sums over all tokens, never means of batch means.

The names are the reference's (run_pretraining.py, `metric_fn`). Shapes: B rows, S sequence,
M masked positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from electra_cli.metrics.curve import RankingCurve
from electra_cli.metrics.names import METRICS

# What a validation step hands over, besides the shapes [B, M] and [B, S].
MASKED_LM_LOGS = (
    "masked_lm_cross_entropy",
    "masked_lm_ids",
    "masked_lm_predictions",
    "sampled_ids",
    "masked_lm_weights",
)
DISC_LOGS = ("disc_cross_entropy", "disc_logits", "disc_labels", "input_mask")

Logs = Mapping[str, npt.NDArray]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


class ValidationState:
    """What is known after any number of validation steps, in constant memory.

    Args:
      generator_weight: Weight of the masked-LM loss in the total.
      disc_weight: Weight of the discriminator's loss in the total.
    """

    def __init__(self, *, generator_weight: float, disc_weight: float) -> None:
        self._weights = (generator_weight, disc_weight)
        self._sums: dict[str, float] = {}
        self._curve = RankingCurve()

    def _count(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(amount)

    def add(self, logs: Logs) -> None:
        """Adds the tokens of one step.

        Args:
          logs: [B, M] arrays under the names of MASKED_LM_LOGS and [B, S] arrays under those of
            DISC_LOGS; weights and mask say which elements count.
        """
        used = logs["masked_lm_weights"] > 0  # [B, M]
        original = logs["masked_lm_ids"][used]  # [masked]
        self._count(
            masked=used.sum(),
            masked_nats=logs["masked_lm_cross_entropy"][used].sum(dtype=np.float64),
            masked_correct=(logs["masked_lm_predictions"][used] == original).sum(),
            sampled_correct=(logs["sampled_ids"][used] == original).sum(),
        )
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
        )
        self._curve.add(logits, replaced)

    def result(self) -> dict[str, float]:
        """All of METRICS; a ratio without anything below the line is NaN."""
        s = {name: self._sums.get(name, 0.0) for name in self._sums}
        if not s:
            return dict.fromkeys(METRICS, float("nan"))
        masked_lm_loss = _ratio(s["masked_nats"], s["masked"])
        disc_loss = _ratio(s["disc_nats"], s["tokens"])
        generator_weight, disc_weight = self._weights
        return {
            "total_loss": generator_weight * masked_lm_loss + disc_weight * disc_loss,
            "masked_lm_loss": masked_lm_loss,
            "masked_lm_perplexity": math.exp(min(masked_lm_loss, 700.0)),
            "masked_lm_accuracy": _ratio(s["masked_correct"], s["masked"]),
            "sampled_masked_lm_accuracy": _ratio(s["sampled_correct"], s["masked"]),
            "disc_loss": disc_loss,
            "disc_accuracy": _ratio(s["disc_correct"], s["tokens"]),
            "disc_precision": _ratio(s["found"], s["predicted"]),
            "disc_recall": _ratio(s["found"], s["replaced"]),
            "disc_f1": _ratio(2 * s["found"], s["predicted"] + s["replaced"]),
            "disc_auc": self._curve.auc(),
            "replaced_rate": _ratio(s["replaced"], s["tokens"]),
        }
