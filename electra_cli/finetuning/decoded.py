"""Rows as people can read them.

Shapes: W words of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from electra_cli.finetuning.data import TRAIN, TaskData


def decoded(data: TaskData, count: int) -> list[dict[str, Any]]:
    """The first training rows: their word pieces without padding, and what is learned of them.

    Args:
      data: The data of a task.
      count: How many at most.
    """
    columns = data.encoded[TRAIN].rows.columns
    shown = []
    for row in range(min(count, len(data.encoded[TRAIN].rows))):
        ids = columns["input_ids"][row].tolist()  # [S]
        ids = ids[: int(columns["input_mask"][row].sum())]
        text = data.kind.tokenizer.text_of(ids)
        shown.append({"row": row, "label": _label(data, row, ids), "text": text})
    return shown


def _label(data: TaskData, row: int, ids: Sequence[int]) -> str:
    columns, labels = data.encoded[TRAIN].rows.columns, data.kind.labels
    kind = data.kind.task.kind
    if kind == "classification":
        return labels[columns["label_ids"][row]]
    if kind == "regression":
        return f"{columns['targets'][row]:g} of 0 … 1"
    tokenizer = data.kind.tokenizer
    if kind == "tagging":
        there = columns["labels_mask"][row] > 0  # [S], W of them
        begins = columns["labeled_positions"][row][there].tolist()
        ends = [*begins[1:], len(ids) - 1]  # the last is that of [SEP]
        found = columns["labels"][row][there].tolist()
        return " ".join(
            f"{tokenizer.text_of(ids[begin:end])}/{labels[number]}"
            for begin, end, number in zip(begins, ends, found, strict=True)
        )
    if columns["is_impossible"][row]:
        return "no answer in this window"
    start, end = columns["start_positions"][row], columns["end_positions"][row]
    return f"answer: {tokenizer.text_of(ids[start : end + 1])}"
