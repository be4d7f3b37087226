"""What every kind of task has.

Shapes: N rows of a split.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.subword.open import TextIds
from electra_cli.finetuning.features.encoded import Encoded

Outputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Predictions:
    """What a model says of the examples of a split.

    Attributes:
      values: One for each example: a label's number, a number, tags, or the text of an answer.
      records: One for each example, as a line of a file of predictions.
      null_odds: What speaks against an answer, by question; empty for other kinds.
      threshold: Null odds above which a question counts as unanswered; None to choose the best by
        what is right.
    """

    values: Sequence[Any]
    records: Sequence[Mapping[str, Any]]
    null_odds: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None


class TaskKind(ABC):
    """One kind of task with its labels and its tokenizer.

    Args:
      task: The task.
      labels: See `kind_of`.
      tokenizer: That of the model.
    """

    def __init__(self, task: TaskConfig, labels: Sequence[str], tokenizer: TextIds) -> None:
        self.task, self.labels, self.tokenizer = task, tuple(labels), tokenizer

    @property
    @abstractmethod
    def usual_metric(self) -> str:
        """What seeds and checkpoints are compared by if `task.metric` is null."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of all scores, in the order to show them."""

    def metrics_of(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """Names of the scores of these examples, where not all have all."""
        del examples
        return self.metrics

    @abstractmethod
    def encode(self, examples: Sequence[Any], *, training: bool) -> Encoded:
        """Rows of examples."""

    @abstractmethod
    def predictions(
        self, examples: Sequence[Any], encoded: Encoded, outputs: Outputs, threshold: float | None
    ) -> Predictions:
        """What outputs say.

        Args:
          examples: Of one split.
          encoded: What `encode` made of them.
          outputs: Of their rows, [N, …] each.
          threshold: See `Predictions`.
        """

    @abstractmethod
    def scores(self, examples: Sequence[Any], predictions: Predictions) -> dict[str, float]:
        """How good predictions of labelled examples are, by `metrics`."""

    @abstractmethod
    def majority(self, train: Sequence[Any], dev: Sequence[Any]) -> dict[str, float]:
        """The scores of always saying what the training data says most often."""

    @property
    def metric(self) -> str:
        """What seeds and checkpoints are compared by."""
        return self.task.metric or self.usual_metric

    def threshold(self, scores: Mapping[str, float]) -> float | None:
        """The threshold of `predictions` that is best by these scores; None for other kinds."""
        del scores
        return None
