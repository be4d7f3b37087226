"""Rows as people can read them.

Shapes: W words of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION, PAD
from electra_cli.finetuning.data import TRAIN, TaskData


def decoded(data: TaskData, tokens: Sequence[str], count: int) -> list[dict[str, Any]]:
    """The first training rows: their word pieces without padding, and what is learned of them.

    Args:
      data: The data of a task.
      tokens: The vocabulary.
      count: How many at most.
    """
    columns = data.encoded[TRAIN].rows.columns
    shown = []
    for row in range(min(count, len(data.encoded[TRAIN].rows))):
        ids = columns["input_ids"][row].tolist()  # [S]
        pieces = [tokens[i] for i in ids if tokens[i] != PAD]
        text = " ".join(pieces).replace(f" {CONTINUATION}", "")
        shown.append({"row": row, "label": _label(data, row, pieces), "text": text})
    return shown


def _label(data: TaskData, row: int, pieces: Sequence[str]) -> str:
    columns, labels = data.encoded[TRAIN].rows.columns, data.kind.labels
    kind = data.kind.task.kind
    if kind == "classification":
        return labels[columns["label_ids"][row]]
    if kind == "regression":
        return f"{columns['targets'][row]:g} of 0 … 1"
    if kind == "tagging":
        words = zip(
            columns["labeled_positions"][row].tolist(),
            columns["labels"][row].tolist(),
            columns["labels_mask"][row].tolist(),
            strict=True,
        )  # W of them
        return " ".join(f"{pieces[at]}/{labels[number]}" for at, number, there in words if there)
    if columns["is_impossible"][row]:
        return "no answer in this window"
    start, end = columns["start_positions"][row], columns["end_positions"][row]
    answer = " ".join(pieces[start : end + 1]).replace(f" {CONTINUATION}", "")
    return f"answer: {answer}"
