"""Rows of texts equal the reference's, and are cut as its loop cuts them."""

from __future__ import annotations

import numpy as np
import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.finetuning.examples.example import TextExample
from electra_cli.finetuning.features.sequences import TargetRange, encode
from tests.golden.preprocessing_case import ids_of, preprocessing_case, tokenizer

_CLASSES = {
    "pairs": ("contradiction", "entailment", "neutral"),
    "singles": ("0", "1"),
}


@pytest.mark.parametrize("length", [48, 96])
@pytest.mark.parametrize("name", ["pairs", "singles", "scored_pairs"])
def test_rows_are_the_references(name: str, length: int) -> None:
    """Equal to the last id: no fault of the reference touches these."""
    case = preprocessing_case("classification")
    scored = name == "scored_pairs"
    examples = [
        TextExample(
            tuple(x[key] for key in ("text_a", "text_b") if key in x),
            x["score"] if scored else x["label"],
            "",
        )
        for x in case.texts[name]
    ]
    task = TaskConfig(
        kind="regression" if scored else "classification",
        text="a,b",
        max_length=length,
        double_unordered=scored,
    )
    labels = ("0", "5") if scored else _CLASSES[name]
    encoded = encode(examples, tokenizer(), task, labels, training=True)
    recorded = case.columns(f"{name}/L{length}")
    assert len(recorded) == 6
    for column in set(recorded) - {"eid", "task_id"}:
        np.testing.assert_array_equal(encoded.rows.columns[column], recorded[column], column)
        assert encoded.rows.columns[column].dtype == recorded[column].dtype
    assert encoded.example_of_row.tolist() == [*range(len(examples))] * (2 if scored else 1)


def _popped(first: int, second: int, room: int) -> tuple[int, int]:
    """The reference's loop: the longer loses a token, the second of two that are as long."""
    while first + second > room:
        first, second = (first - 1, second) if first > second else (first, second - 1)
    return first, second


def test_pairs_are_cut_token_by_token() -> None:
    """All lengths around those of a row, with odd and even room."""
    sizes = range(13)
    for length in (8, 9, 12):
        examples = [
            TextExample(("a " * first, "b " * second), None, "")
            for first in sizes
            for second in sizes
        ]
        task = TaskConfig(max_length=length, text="a,b", double_unordered=True)
        encoded = encode(examples, tokenizer(), task, (), training=False)
        a, b = (ids_of(text)[0] for text in "ab")
        ids = encoded.rows.columns["input_ids"]
        uncut = np.array([(n, m) for n in sizes for m in sizes])
        room = [length - 3 if m else length - 2 for n, m in uncut]
        expected = [_popped(n, m, left) for (n, m), left in zip(uncut, room, strict=True)]
        found = [(int((row == a).sum()), int((row == b).sum())) for row in ids]
        assert found == expected
        separators = (ids == tokenizer().special.sep).sum(1)
        assert separators.tolist() == [1 + bool(m) for n, m in uncut]
        tokens = uncut.sum(1) + 2 + (uncut[:, 1] > 0)
        assert encoded.lengths.tolist() == tokens.tolist()
        assert encoded.cut == (tokens > length).sum()


def test_what_has_no_label_and_what_has_no_token() -> None:
    """To predict, or empty: rows of [CLS] [SEP] and zeros."""
    task = TaskConfig(kind="regression", max_length=8)
    examples = [TextExample(("\x00",), None, ""), TextExample(("a",), 3.0, "")]
    encoded = encode(examples, tokenizer(), task, ("1", "5"), training=True)
    special = tokenizer().special
    assert encoded.rows.columns["input_ids"][0].tolist() == [special.cls, special.sep, *[0] * 6]
    assert encoded.rows.columns["targets"].tolist() == [0.0, 0.5]
    none = encode([], tokenizer(), TaskConfig(max_length=8), ("0", "1"), training=True)
    assert none.rows.columns["input_ids"].shape == (0, 8)
    assert none.rows.columns["label_ids"].shape == (0,)
    assert none.cut == 0


@pytest.mark.parametrize(
    ("labels", "numbers", "scaled"),
    [
        (("0", "5"), [0, 1, 5], [0, 0.2, 1]),
        (("2.0", "0.5", "4.5"), [0.5, 2.5, 6.5], [0, 0.5, 1.5]),
        (("-3", "-1"), [-3, -2], [0, 0.5]),
        (("7", "7"), [7, 8], [0, 1]),
    ],
)
def test_targets_are_scaled_and_restored(
    labels: tuple[str, ...], numbers: list[float], scaled: list[float]
) -> None:
    """From the least to the greatest; the reference's where the least is 0."""
    target = TargetRange.of(labels)
    np.testing.assert_allclose(target.scaled(numbers), scaled, rtol=1e-7)
    assert target.scaled(numbers).dtype == np.float32
    np.testing.assert_allclose(target.restored(target.scaled(numbers)), numbers, rtol=1e-6)
