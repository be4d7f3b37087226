from __future__ import annotations

import math

import numpy as np
import pytest

from electra_cli.corpus.shards.held_out import HeldOutTokens
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds

SPECIAL = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
NEVER_MASKED = [900, 0, 40, 40, 7]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([0, 0, 0], None),
        ([0, 0, 5], (5, 1, 5, 0.0)),
        ([3, 3, 3], (9, 3, 3, math.log(3) + 2 / 18)),
        ([1, 0, 2], (3, 2, 2, math.log(3) - 2 / 3 * math.log(2) + 1 / 6)),
        ([2, 0, 1], (3, 2, 2, math.log(3) - 2 / 3 * math.log(2) + 1 / 6)),
        ([2, 2, 0], (4, 2, 2, math.log(2) + 1 / 8)),
        ([1, 1, 2], (4, 3, 2, 1.5 * math.log(2) + 0.25)),
        ([1, 1, 1], (3, 3, 1, None)),
    ],
)
def test_figures_counted_by_hand(
    words: list[int], expected: tuple[float | None, ...] | None
) -> None:
    frequencies = np.array([*NEVER_MASKED, *words], np.int64)
    before = frequencies.copy()
    found = HeldOutTokens.of(frequencies, SPECIAL)
    assert (frequencies == before).all()
    if expected is None:
        assert found is None
    else:
        assert found is not None
        *counts, entropy = expected
        assert tuple(found.model_dump().values()) == (
            *counts,
            None if entropy is None else pytest.approx(entropy, abs=1e-6),
        )


def test_unknown_words_count() -> None:
    found = HeldOutTokens.of(np.array([0, 3, 0, 0, 0, 1], np.int64), SPECIAL)
    assert found is not None
    assert (found.tokens, found.distinct_tokens, found.most_frequent) == (4, 2, 3)


def test_no_constant_guess_is_better() -> None:
    counts = np.random.default_rng(0).integers(0, 50, 200)
    found = HeldOutTokens.of(np.concatenate([np.zeros(5, np.int64), counts]), SPECIAL)
    assert found is not None
    assert found.unigram_entropy is not None
    for power in (0.5, 0.9, 1.0, 1.1, 2.0):
        guess = (counts + 1e-9) ** power
        loss = -(counts * np.log(guess / guess.sum())).sum() / counts.sum()
        # Two hundredths of a nat is what the entropy of about 5,000 tokens is too low by.
        assert loss >= found.unigram_entropy - 0.02


@pytest.mark.parametrize(("tokens", "is_known"), [(53, False), (500, False), (10_000, True)])
def test_a_sample_of_words(tokens: int, is_known: bool) -> None:
    """Words are as frequent as their rank is low, which is Zipf's law."""
    shares = 1 / np.arange(1, 8_001)  # [V]
    shares /= shares.sum()
    true = -(shares * np.log(shares)).sum()
    counts = np.random.default_rng(0).multinomial(tokens, shares)  # [V]
    found = HeldOutTokens.of(np.concatenate([np.zeros(5, np.int64), counts]), SPECIAL)
    assert found is not None
    assert (found.unigram_entropy is not None) == is_known
    if found.unigram_entropy is not None:
        met = counts[counts > 0] / tokens
        assert abs(found.unigram_entropy - true) < 0.7 * abs(-(met * np.log(met)).sum() - true)
