"""Published curves of pretraining, which a run of the same model can be held against.

Shapes: N points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from electra_cli.config.load import load_config
from electra_cli.config.rules.batches import stretches
from electra_cli.config.schema import Config
from electra_cli.runs.metrics_file import Series


@dataclass(frozen=True)
class Published:
    """A curve that was published.

    Attributes:
      title: Model and data.
      source: Where it is from.
      remark: How it was read, and what of it differs from a run here.
      curve: Held-out metrics over the steps, by the names of our own, [N]; NaN where the source
        has no number.
    """

    title: str
    source: str
    remark: str
    curve: Series

    def at(self, step: int, metric: str) -> float | None:
        """A metric at a step, between two points by a straight line; None outside of the curve."""
        values = self.curve.column(metric)  # [N]
        known = np.isfinite(values)  # [N]
        steps = self.curve.steps[known]
        if not len(steps) or not steps[0] <= step <= steps[-1]:
            return None
        return float(np.interp(step, steps, values[known]))


def published_curve(config: Config) -> Published | None:
    """The curve of the model that a configuration trains; None if there is none.

    It is that of a preset where everything agrees that a loss at a step depends on, but for the
    data: sizes, masking, weights of the losses, batch and length of rows. The vocabulary, which
    belongs to the data, may differ, and so may the schedule, whose curve is another from its end.
    """
    for preset, curve in _CURVES.items():
        theirs = load_config(preset=preset, environment={}).config
        if _compared(config) == _compared(theirs):
            return curve
    return None


def _compared(config: Config) -> Mapping[str, Any]:
    """What has to agree."""
    return {
        "model": config.model.model_copy(update={"vocab_size": 0}),
        "generator": (config.generator_sizes, config.generator.model_copy(update={"size": 0})),
        "objective": config.objective.model_copy(update={"masking": "", "sampling": ""}),
        "length": config.data.sequence_length,
        "batch": stretches(config.train),
    }


# Steps in thousands; generator's loss, discriminator's loss, total, generator's accuracy, accuracy
# of its samples, discriminator's accuracy, AUC and precision. What lies outside of the figure's
# axes is not a number.
_NO = math.nan
_SMALL = (
    (12.5, 5.1, 0.248, 17.4, _NO, _NO, _NO, 0.86, _NO),
    (25, 3.99, 0.239, 16.0, _NO, _NO, _NO, 0.859, _NO),
    (50, 3.67, 0.223, 14.8, _NO, _NO, _NO, 0.874, _NO),
    (100, 3.53, 0.209, 14.0, _NO, _NO, _NO, 0.889, 0.731),
    (150, 3.47, 0.2005, 13.5, 0.427, 0.323, 0.9276, 0.898, 0.734),
    (200, 3.43, 0.195, 13.2, 0.432, 0.328, 0.9293, 0.903, 0.736),
    (300, 3.39, 0.188, 12.8, 0.437, 0.333, 0.9319, 0.911, 0.741),
    (400, 3.37, 0.1815, 12.4, 0.440, 0.336, 0.9341, 0.917, 0.751),
    (500, 3.35, 0.177, 12.2, 0.443, 0.340, 0.9357, 0.920, 0.757),
    (600, 3.325, 0.173, 12.0, 0.446, 0.342, 0.9371, 0.924, 0.760),
    (800, 3.29, 0.165, 11.5, 0.449, 0.346, 0.9400, 0.931, 0.771),
    (1000, 3.26, 0.160, 11.2, 0.453, 0.350, 0.9421, 0.935, 0.783),
)
_COLUMNS = (
    "masked_lm_loss",
    "disc_loss",
    "total_loss",
    "masked_lm_accuracy",
    "sampled_masked_lm_accuracy",
    "disc_accuracy",
    # The authors' own, which takes padding for easy negatives (run_pretraining.py, metric_fn).
    "disc_auc_reference",
    "disc_precision",
)


def _series(rows: tuple[tuple[float, ...], ...]) -> Series:
    table = np.array(rows, np.float64)  # [N, 1 + metrics]
    columns = dict(zip(_COLUMNS, table[:, 1:].T, strict=True))
    return Series(np.round(1000 * table[:, 0]).astype(np.int64), columns)


_CURVES = {
    "small": Published(
        title="ELECTRA-small on OpenWebText",
        source="the authors' figure in https://github.com/google-research/electra/issues/3",
        remark="Its points were read off the figure: losses to about 0.04 (discriminator 0.002), "
        "accuracies to 0.0004, the AUC to 0.003. It was evaluated on OpenWebText with 30,522 word "
        "pieces; other text and another vocabulary have other losses.",
        curve=_series(_SMALL),
    )
}
