"""Steps that are not finite: how they are counted, and when there are too many of them."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.errors import TrainingError
from electra_cli.training.loop.actions import stop_when_diverged
from electra_cli.training.loop.skips import Skips

LOGGED = ("the_loss", "learning_rate", "gradient_norm")
GOOD, BAD, OVERFLOW = "good", "bad", "overflow"


def count(skips: Skips, kinds: list[str], first: int = 1) -> None:
    """Counts a step of each kind; its loss is its number."""
    for step, kind in enumerate(kinds, start=first):
        logs = {name: tf.constant(float(step)) for name in LOGGED}
        logs |= {"applied": tf.constant(kind == GOOD), "overflowed": tf.constant(kind == OVERFLOW)}
        skips.count(logs, tf.constant(step, tf.int64))


def test_skipped_in_a_row_and_overflows_are_counted_apart() -> None:
    skips = Skips(LOGGED)
    count(skips, [BAD, GOOD, BAD, OVERFLOW, BAD])
    # An overflow of the search for a loss scale neither continues a row nor ends one.
    assert skips.totals() == {"skipped_steps": 3, "skipped_in_a_row": 2, "overflow_steps": 1}


@pytest.mark.parametrize(
    ("kinds", "diverged_at"),
    [
        ([BAD] * 10, None),
        ([BAD] * 11, 11),
        ([BAD] * 11 + [GOOD] * 5 + [BAD] * 11, 11),  # the first time counts
        ([BAD, BAD, GOOD] * 5 + [BAD], 16),  # no more than two in a row
        ([BAD, *[GOOD] * 999, *[BAD] * 10], None),  # the first is no more among the last 1,000
        ([BAD, *[GOOD] * 990, *[BAD] * 10], None),
        ([BAD, *[GOOD] * 989, *[BAD] * 10], 1000),
        ([OVERFLOW] * 20, None),
    ],
)
def test_more_than_ten_of_the_last_thousand(kinds: list[str], diverged_at: int | None) -> None:
    skips = Skips(LOGGED)
    # Outside of a graph an operation takes a tenth of a millisecond, and most steps are good.
    for first, last in runs_of(kinds):
        if kinds[first] != GOOD:
            count(skips, kinds[first:last], first + 1)
    found = skips.divergence
    assert (found and found["step"]) == diverged_at
    assert found is None or found["the_loss"] == diverged_at


def runs_of(kinds: list[str]) -> list[tuple[int, int]]:
    """Beginning and end of each stretch of one kind."""
    ends = [n for n in range(1, len(kinds)) if kinds[n] != kinds[n - 1]]
    return list(zip([0, *ends], [*ends, len(kinds)], strict=True))


def test_the_error_says_where() -> None:
    skips = Skips(LOGGED)
    action = stop_when_diverged(skips, lambda step: [step, 7], LOGGED[0])
    count(skips, [BAD] * 10)
    action(skips.totals())
    count(skips, [BAD], 11)
    words = r"more than 10 of the last 1,000 steps, at last in step 11 with the examples 11, 7 "
    with pytest.raises(TrainingError, match=words) as error:
        action(skips.totals())
    assert "the_loss 11" in error.value.message
    assert "in a row: 11" in error.value.message
