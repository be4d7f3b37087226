"""Rows of tagged words: each word stands where its first piece is.

Shapes: N sentences, S sequence, W = S columns of words, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.config.finetune import TaskConfig
from electra_cli.corpus.subword.open import TextIds
from electra_cli.finetuning.examples.example import Sentence
from electra_cli.finetuning.features.encoded import Encoded, lay_out
from electra_cli.inputs.labelled_rows import LabelledRows


def encode(
    examples: Sequence[Sentence],
    tokenizer: TextIds,
    task: TaskConfig,
    labels: Sequence[str],
    *,
    training: bool,
) -> Encoded:
    """Makes rows of words: [CLS] all their pieces [SEP].

    Column w of the labels is word w of the sentence. It has no position if it has no piece (if it
    is of control characters alone), if its pieces do not all fit, or if those of a word before it
    did not.

    Args:
      examples: Of one split; those without tags get 0, as do tags to score without a number.
      tokenizer: That of the model.
      task: Says the length of rows.
      labels: The tags in the order of their numbers.
      training: Says nothing here; rows are the same.

    Returns:
      The rows, with labels and labeled_positions [N, W] int32, and labels_mask [N, W] float32,
      which is 1 for words that have a position.
    """
    length, count = task.max_length, len(examples)
    number = {label: place for place, label in enumerate(labels)}
    found, positions = np.zeros((2, count, length), np.int32)  # [N, W] each
    mask = np.zeros((count, length), np.float32)  # [N, W]
    lengths = np.zeros(count, np.int64)
    rows = []
    cut = 0
    ids = tokenizer.ids_of_words([example.words for example in examples])
    for row, (example, pieces) in enumerate(zip(examples, ids, strict=True)):
        sizes = np.fromiter(map(len, pieces), np.int64, len(pieces))  # of each word
        ends = 1 + np.cumsum(sizes)
        lengths[row] = sizes.sum() + 2
        fit = int((ends < length).sum())  # words, from the first on
        cut += fit < len(pieces)
        rows.append((np.concatenate([np.zeros(0, np.int64), *pieces[:fit]]), None))
        fit = min(fit, length)
        there = sizes[:fit] > 0
        positions[row, :fit] = np.where(there, (ends - sizes)[:fit], 0)
        mask[row, :fit] = there
        if example.tags is not None:
            found[row, :fit] = [number.get(tag, 0) for tag in example.tags[:fit]]
    columns = lay_out(rows, count, special=tokenizer.special, length=length)
    placed = {"labels": found * (mask > 0), "labeled_positions": positions, "labels_mask": mask}
    return Encoded(
        rows=LabelledRows({**columns, **placed}),
        example_of_row=np.arange(count),
        lengths=lengths,
        cut=cut,
    )


def tags_of_words(
    examples: Sequence[Sentence],
    encoded: Encoded,
    predictions: npt.NDArray[np.integer[Any]],
    labels: Sequence[str],
) -> list[list[str | None]]:
    """The tag that is predicted for each word of each sentence.

    Args:
      examples: The sentences.
      encoded: What `encode` made of them.
      predictions: The number of a tag for each column of words, [N, W].
      labels: The tags in the order of their numbers.

    Returns:
      A tag for each word; None for those that had no position in the row. They stay in the count,
      as words that nothing was found for.
    """
    mask = encoded.rows.columns["labels_mask"] > 0  # [N, W]
    tags: list[list[str | None]] = []
    for example, seen, row in zip(examples, mask, predictions, strict=True):
        tags.append([None] * len(example.words))
        for word in np.flatnonzero(seen).tolist():
            tags[-1][word] = labels[row[word]]
    return tags
