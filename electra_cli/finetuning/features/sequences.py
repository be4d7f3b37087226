"""Rows of one or two texts, for classification and regression.

Shapes: N rows, S sequence, T tokens of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.subword.open import TextIds
from electra_cli.corpus.wordpiece.pieces import Ids
from electra_cli.finetuning.examples.example import TextExample
from electra_cli.finetuning.features.encoded import Encoded, lay_out
from electra_cli.inputs.labelled_rows import LabelledRows


@dataclass(frozen=True)
class TargetRange:
    """The numbers that a regression is about, which the model learns as numbers from 0 to 1.

    The reference divides by the greatest, which is the same where the least is 0, as in its only
    such task; here it is the distance between the two.

    Attributes:
      least: Becomes 0.
      greatest: Becomes 1.
    """

    least: float
    greatest: float

    @classmethod
    def of(cls, labels: Sequence[str]) -> TargetRange:
        """The range from the least to the greatest of some numbers as text."""
        numbers = [float(label) for label in labels]
        return cls(min(numbers), max(numbers))

    def scaled(self, numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Numbers as the model learns them; those outside of the range go below 0 and above 1."""
        scaled = (np.asarray(numbers, np.float64) - self.least) / self._width
        return scaled.astype(np.float32)

    def restored(self, predictions: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The model's predictions as numbers of the data."""
        return predictions.astype(np.float64) * self._width + self.least

    @property
    def _width(self) -> float:
        return self.greatest - self.least or 1.0


def encode(
    examples: Sequence[TextExample],
    tokenizer: TextIds,
    task: TaskConfig,
    labels: Sequence[str],
    *,
    training: bool,
) -> Encoded:
    """Makes rows of texts: [CLS] text [SEP], or [CLS] text [SEP] text [SEP].

    Where a pair is too long, the longer text loses tokens, the second of two that are as long. A
    second text without a token is left out with its [SEP]. Both are the reference's rules
    (finetune/classification/classification_tasks.py: `featurize`).

    Args:
      examples: Of one split; those without a label get 0.
      tokenizer: That of the model.
      task: Says the length of rows, and whether pairs are learned in both orders.
      labels: Those of a classification in the order of their numbers; of a regression the range of
        its numbers, see `TargetRange.of`.
      training: Pairs get a second row with the texts exchanged, behind all others, if the task
        asks for it.

    Returns:
      The rows, with label_ids [N] int32, or of a regression targets [N] float32.
    """
    # A text that is not there is one without a token.
    first, second = (
        list(tokenizer.ids(["".join(x.texts[place : place + 1]) for x in examples]))
        for place in (0, 1)
    )
    rows = _fitted(first, second, task.max_length)
    example_of_row = np.arange(len(examples))  # [N]
    if training and task.double_unordered:
        rows += _fitted(second, first, task.max_length)
        example_of_row = np.tile(example_of_row, 2)  # [N]
    columns = lay_out(rows, len(rows), special=tokenizer.special, length=task.max_length)
    lengths = _sizes(first) + _sizes(second) + 2 + (_sizes(second) > 0)
    return Encoded(
        rows=LabelledRows({**columns, **_labels(examples, task, labels, example_of_row)}),
        example_of_row=example_of_row,
        lengths=lengths,
        cut=int((lengths > task.max_length).sum()),
    )


def _sizes(texts: Sequence[Ids]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _fitted(
    firsts: Sequence[Ids], seconds: Sequence[Ids], length: int
) -> list[tuple[Ids, Ids | None]]:
    """The texts of each row, with as many tokens as there is room for."""
    first, second = _sizes(firsts), _sizes(seconds)  # [N] each
    room = length - 2 - (second > 0)  # [N]
    # What is left when the longer loses token after token, and the second of two as long.
    keep_first = np.maximum(room - second, (room + 1) // 2).tolist()
    keep_second = np.maximum(room - first, room // 2).tolist()
    return [
        (a[:n], b[:m] if len(b) else None)
        for a, b, n, m in zip(firsts, seconds, keep_first, keep_second, strict=True)
    ]


def _labels(
    examples: Sequence[TextExample],
    task: TaskConfig,
    labels: Sequence[str],
    example_of_row: npt.NDArray[np.int64],
) -> dict[str, npt.NDArray[Any]]:
    if task.kind == "regression":
        target = TargetRange.of(labels)
        numbers = [target.least if x.label is None else float(x.label) for x in examples]
        return {"targets": target.scaled(numbers)[example_of_row]}  # [N]
    number = {label: place for place, label in enumerate(labels)}
    found = [0 if example.label is None else number[str(example.label)] for example in examples]
    return {"label_ids": np.array(found, np.int32)[example_of_row]}  # [N]
