"""Rows that are picked out of an evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from electra_cli.tasks.sentences import SENTENCES, SentenceCollector

WORDS = ["[PAD]", "[CLS]", "[SEP]", "the", "cat", "##s", "sat", "mat"]


def logs(rows: int) -> dict[str, np.ndarray]:
    """Rows of 6, of which the last is padding; positions 1 and 3 are masked, 3 drawn twice."""
    ids = np.tile([1, 3, 4, 5, 2, 0], (rows, 1))
    ids[:, 2] = 3 + np.arange(rows) % 5  # so that rows differ
    logits = np.tile(np.array([-900.0, 0.0, 1.0, 900.0, np.nan, 5.0], np.float32), (rows, 1))
    return {
        "input_ids": ids,
        "input_mask": (ids > 0).astype(np.int32),
        "masked_lm_positions": np.tile([1, 3, 3, 0], (rows, 1)),
        "masked_lm_weights": np.tile(np.array([1, 1, 1, 0], np.float32), (rows, 1)),
        "masked_lm_predictions": np.tile([6, 6, 6, 6], (rows, 1)),
        "sampled_ids": np.tile([7, 3, 6, 5], (rows, 1)),
        "disc_logits": logits,
    }


def part(of: dict[str, np.ndarray], rows: slice) -> dict[str, Any]:
    return {name: array[rows] for name, array in of.items()}


def test_what_is_told_of_a_token() -> None:
    collector = SentenceCollector(1, WORDS)
    collector.add(logs(1))
    (sentence,) = collector.found
    found = [(t.text, t.masked, t.sampled, t.suspicion) for t in sentence.tokens]
    assert found == [
        ("[CLS]", False, None, 0.0),
        ("the", True, "mat", 0.5),
        ("the", False, None, 0.7311),
        ("##s", True, "cat", 1.0),  # drawn twice: what stands there is the floor of the mean
        ("[SEP]", False, None, None),  # no number
    ]


def test_without_a_discriminator_and_without_masks() -> None:
    step = logs(1)
    del step["disc_logits"], step["sampled_ids"]
    collector = SentenceCollector(1, WORDS)
    collector.add(step)
    tokens = collector.found[0].tokens
    assert [token.sampled for token in tokens] == [None, "sat", None, "sat", None]
    assert {token.suspicion for token in tokens} == {None}
    collector = SentenceCollector(1, WORDS)
    collector.add({name: step[name] for name in ("input_ids", "input_mask")})
    assert not any(token.masked for token in collector.found[0].tokens)


@pytest.mark.parametrize("batch", [1, 3, 16, 50])
@pytest.mark.parametrize("replicas", [1, 2])
def test_same_rows_for_any_batch_and_any_replicas(batch: int, replicas: int) -> None:
    rows = 47
    filled = logs(rows + 3)  # rows of padding fill the last batch
    filled["input_mask"][rows:] = 0
    whole = SentenceCollector(rows, WORDS)
    whole.add(filled)
    assert [s.row for s in whole.found] == [0, 4, 9, 14, 18, 23, 28, 32, 37, 42]
    parts = SentenceCollector(rows, WORDS)
    for first in range(0, rows + 3, batch):
        step = part(filled, slice(first, first + batch))
        half = -(-batch // replicas)
        ends = [slice(n * half, (n + 1) * half) for n in range(replicas)]
        shares = [part(step, end) for end in ends]
        joined = {name: tuple(share[name] for share in shares) for name in step}
        parts.add(step if replicas == 1 else joined)
    assert repr(parts.found) == repr(whole.found)


def test_fewer_rows_than_are_wanted() -> None:
    collector = SentenceCollector(SENTENCES - 7, WORDS)
    collector.add(logs(3))
    assert [sentence.row for sentence in collector.found] == [0, 1, 2]
