"""Classification and regression of one or two texts.

Shapes: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from electra_cli.finetuning.examples.example import TextExample
from electra_cli.finetuning.features import sequences
from electra_cli.finetuning.features.encoded import Encoded
from electra_cli.finetuning.features.sequences import TargetRange
from electra_cli.finetuning.kinds.base import Outputs, Predictions, TaskKind
from electra_cli.metrics.scores import classification, majority, regression
from electra_cli.metrics.scores.names import primary


class _Texts(TaskKind):
    def encode(self, examples: Sequence[TextExample], *, training: bool) -> Encoded:
        """Rows of texts; see `features.sequences.encode`."""
        return sequences.encode(examples, self.tokenizer, self.task, self.labels, training=training)

    @property
    def usual_metric(self) -> str:
        """Accuracy of a classification, Spearman's correlation of a regression."""
        return primary(self.task.kind)


class Classification(_Texts):
    """A label for each example."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `metrics.scores.classification`."""
        return classification.names(self.labels)

    def predictions(
        self,
        examples: Sequence[TextExample],
        encoded: Encoded,
        outputs: Outputs,
        threshold: float | None,
    ) -> Predictions:
        """The label with the largest logit, and the probability of each."""
        del examples, encoded, threshold
        logits = outputs["logits"].astype(np.float64)  # [N, C]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))  # [N, C]
        shares = powers / powers.sum(axis=1, keepdims=True)  # [N, C]
        best = logits.argmax(axis=1).tolist()  # [N]
        records = [
            {"prediction": self.labels[number]}
            | {
                f"score_{label}": round(share, 6)
                for label, share in zip(self.labels, of_row, strict=True)
            }
            for number, of_row in zip(best, shares.tolist(), strict=True)
        ]
        return Predictions(best, records)

    def scores(self, examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
        """See `metrics.scores.classification`."""
        return classification.scores(self._gold(examples), predictions.values, self.labels)

    def majority(
        self, train: Sequence[TextExample], dev: Sequence[TextExample]
    ) -> dict[str, float]:
        """The most frequent label of the training data."""
        return majority.of_classification(self._gold(train), self._gold(dev), self.labels)

    def _gold(self, examples: Sequence[TextExample]) -> list[int]:
        numbers = {label: number for number, label in enumerate(self.labels)}
        return [numbers[str(example.label)] for example in examples]


class Regression(_Texts):
    """A number for each example."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """See `metrics.scores.regression`."""
        return regression.names()

    def predictions(
        self,
        examples: Sequence[TextExample],
        encoded: Encoded,
        outputs: Outputs,
        threshold: float | None,
    ) -> Predictions:
        """The number that the model says, in the unit of the data."""
        del examples, encoded, threshold
        numbers = TargetRange.of(self.labels).restored(outputs["predictions"]).tolist()  # [N]
        return Predictions(numbers, [{"prediction": round(n, 6)} for n in numbers])

    def scores(self, examples: Sequence[TextExample], predictions: Predictions) -> dict[str, float]:
        """See `metrics.scores.regression`."""
        return regression.scores(self._gold(examples), predictions.values)

    def majority(
        self, train: Sequence[TextExample], dev: Sequence[TextExample]
    ) -> dict[str, float]:
        """The mean of the training data."""
        return majority.of_regression(self._gold(train), self._gold(dev))

    def _gold(self, examples: Sequence[TextExample]) -> list[float]:
        return [float(example.label or 0.0) for example in examples]
