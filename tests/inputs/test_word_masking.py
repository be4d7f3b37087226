"""Whole words and spans, compared with plain loops over the same random numbers."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import max_predictions
from electra_cli.inputs import masking, philox, word_masking

IDS = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
ROWS, LENGTH = 256, 64
SEED, STEP = 5, 3
MODES = ["whole-word", "span"]

Rows = tuple[np.ndarray, np.ndarray]


def make_rows(lengths: np.ndarray) -> Rows:
    """[CLS] a [SEP] b [SEP] rows and where their words begin; a and b may begin within one."""
    generator = np.random.default_rng(0)
    ids = generator.integers(10, 200, (len(lengths), LENGTH))
    ids[generator.random(ids.shape) < 0.05] = IDS["unk"]
    for row, length in zip(ids, lengths, strict=True):
        row[0] = IDS["cls"]
        row[length // 2] = row[length - 1] = IDS["sep"]
        row[length:] = 0
    return ids, ordinary(ids) & (generator.random(ids.shape) < 0.6)


def ordinary(ids: np.ndarray) -> np.ndarray:
    return ~np.isin(ids, [IDS["pad"], IDS["cls"], IDS["sep"], IDS["mask"]])


@pytest.fixture(scope="module")
def rows() -> Rows:
    return make_rows(np.random.default_rng(1).integers(8, LENGTH + 1, ROWS))


def mask_tensors(
    ids: tf.Tensor,
    starts: tf.Tensor,
    examples: tf.Tensor,
    *,
    mode: str,
    step: int = STEP,
    probability: float = 0.15,
) -> masking.Features:
    return masking.mask_tokens(
        masking.rows_to_features(ids, IDS["sep"]),
        seed=tf.constant(SEED, tf.int64),
        step=tf.constant(step, tf.int64),
        examples=examples,
        mask_probability=probability,
        sampling="reference",
        special_ids=IDS,
        masking=mode,
        word_starts=starts,
    )


def mask(rows: Rows, mode: str, **options) -> dict[str, np.ndarray]:
    ids, starts = map(tf.constant, rows)
    masked = mask_tensors(ids, starts, tf.range(len(ids), dtype=tf.int64), mode=mode, **options)
    return {name: value.numpy() for name, value in masked.items()}


def positions_of(masked: dict[str, np.ndarray]) -> list[list[int]]:
    """The masked positions of each row, in the order of their slots."""
    pairs = zip(masked["masked_lm_positions"], masked["masked_lm_weights"] > 0, strict=True)
    return [positions[used].tolist() for positions, used in pairs]


def words_in(ids: np.ndarray, starts: np.ndarray) -> list[list[int]]:
    """The words of one row as lists of positions."""
    words: list[list[int]] = []
    for at, is_word in enumerate(ordinary(ids)):
        if is_word and (starts[at] or not ordinary(ids)[at - 1]):
            words.append([])
        if is_word:
            words[-1].append(at)
    return words


def wanted_of(ids: np.ndarray, probability: float = 0.15) -> int:
    slots = max_predictions(probability, LENGTH)
    wanted = max(1, min(slots, round((ids > 0).sum() * probability)))
    return min(wanted, ordinary(ids).sum())


@cache
def numbers(stream: int) -> tf.Tensor:
    """The random bits of the examples, [ROWS, S]."""
    return philox.random_bits(
        seed=tf.constant(SEED),
        step=tf.constant(STEP),
        examples=tf.range(ROWS, dtype=tf.int64),
        stream=stream,
        count=LENGTH,
    )


def in_order(example: int, words: list[list[int]]) -> list[int]:
    keys = philox.integer(numbers(word_masking.WORD_KEYS))[example].numpy()
    return sorted(range(len(words)), key=lambda word: -keys[word])


def whole_words_one_by_one(example: int, words: list[list[int]], wanted: int) -> list[int]:
    if not words:
        return []
    order = in_order(example, words)
    if all(len(word) > wanted for word in words):
        return words[order[0]][:wanted]
    chosen: list[int] = []
    for word in order:
        if len(chosen) + len(words[word]) <= wanted:
            chosen += words[word]
    return sorted(chosen)


def spans_one_by_one(example: int, words: list[list[int]], wanted: int) -> list[int]:
    draws = philox.uniform(numbers(word_masking.SPAN_LENGTHS))[example].numpy()
    shares = np.array([0.2 * 0.8**n for n in range(10)])
    lengths = 1 + np.searchsorted(np.cumsum(shares / shares.sum())[:-1], draws, side="right")
    reached: set[int] = set()
    chosen: list[int] = []
    for first in in_order(example, words):
        span = [first]
        for word in range(first + 1, min(first + lengths[first], len(words))):
            if words[word][0] != words[word - 1][-1] + 1:  # a special token stands between
                break
            span.append(word)
        if first not in reached:
            chosen += [at for word in span for at in words[word] if at not in chosen]
        reached.update(span)
    chosen += [at for word in words for at in word if at not in chosen]
    return chosen[:wanted]


@pytest.mark.parametrize("probability", [0.05, 0.15, 0.5])
def test_whole_words_are_taken_as_bert_takes_them(rows: Rows, probability: float) -> None:
    found = positions_of(mask(rows, "whole-word", probability=probability))
    for example, (ids, starts) in enumerate(zip(*rows, strict=True)):
        words, wanted = words_in(ids, starts), wanted_of(ids, probability)
        assert found[example] == whole_words_one_by_one(example, words, wanted), example
        assert 1 <= len(found[example]) <= wanted
        # Whole words, unless no word fits.
        if any(len(word) <= wanted for word in words):
            chosen = set(found[example])
            assert all(chosen.issuperset(w) or chosen.isdisjoint(w) for w in words)


@pytest.mark.parametrize("probability", [0.15, 0.9])
def test_spans_follow_their_rule_and_fill_the_budget(rows: Rows, probability: float) -> None:
    found = positions_of(mask(rows, "span", probability=probability))
    for example, (ids, starts) in enumerate(zip(*rows, strict=True)):
        words, wanted = words_in(ids, starts), wanted_of(ids, probability)
        expected = spans_one_by_one(example, words, wanted)
        assert sorted(found[example]) == sorted(expected), example
        assert len(found[example]) == wanted
        # Spans begin where a word does; only their end may be cut.
        firsts = {word[0] for word in words}
        assert all(at in firsts or at - 1 in found[example] for at in found[example])


@pytest.mark.parametrize("mode", MODES)
def test_what_is_masked(rows: Rows, mode: str) -> None:
    ids, _ = rows
    masked = mask(rows, mode)
    used = masked["masked_lm_weights"] > 0
    assert used.shape == (ROWS, max_predictions(0.15, LENGTH))
    originals = np.take_along_axis(ids, masked["masked_lm_positions"], axis=1)
    assert ordinary(originals[used]).all()
    assert (originals[used] == IDS["unk"]).any()
    np.testing.assert_array_equal(masked["masked_lm_ids"], np.where(used, originals, 0))
    assert all(len(set(positions)) == len(positions) for positions in positions_of(masked))
    changed = masked["masked_input_ids"] != ids
    assert (masked["masked_input_ids"][changed] == IDS["mask"]).all()
    assert changed.sum() / used.sum() == pytest.approx(0.85, abs=0.04)
    assert used.sum() / (ids > 0).sum() == pytest.approx(0.15, abs=0.005)


def test_words_are_uniform() -> None:
    # 30 words of two pieces behind [CLS], and a budget of 9 pieces, which is four words.
    ids = np.full((2048, LENGTH), 10)
    ids[:, 0], ids[:, -3:] = IDS["cls"], [IDS["sep"], 0, 0]
    starts = np.zeros(ids.shape, bool)
    starts[:, 1:-3:2] = True
    counts = np.zeros(LENGTH)
    for positions in positions_of(mask((ids, starts), "whole-word")):
        counts[positions] += 1
    per_word = counts[1:-3:2]
    np.testing.assert_array_equal(per_word, counts[2:-3:2])
    assert per_word.sum() == 2048 * 4
    chi_square = ((per_word - per_word.mean()) ** 2 / per_word.mean()).sum()
    assert chi_square < 59.7  # 29 degrees of freedom, p = 0.0007


def test_lengths_of_spans_are_those_of_spanbert() -> None:
    # Rows of one part and words of one piece: the first slots hold the first span.
    ids = np.full((4096, LENGTH), 10)
    ids[:, 0], ids[:, -1] = IDS["cls"], IDS["sep"]
    lengths = []
    for positions in positions_of(mask((ids, ids == 10), "span", probability=0.25)):
        if positions[0] < LENGTH - 11:  # not ended by [SEP]
            following = np.diff(positions, append=-1) == 1
            lengths.append(int(following.argmin()) + 1)
    assert max(lengths) >= 10
    # Now and then the next span begins where the first ends, which makes the mean a little larger.
    shares = np.array([0.2 * 0.8**n for n in range(10)])
    mean = (shares * np.arange(1, 11)).sum() / shares.sum()
    assert mean == pytest.approx(3.8, abs=0.01)
    assert np.mean(lengths) == pytest.approx(mean, abs=0.2)
    alone = np.mean(np.array(lengths) == 1)
    assert alone == pytest.approx(shares[0] / shares.sum(), abs=0.03)


def test_a_row_whose_words_do_not_fit_is_masked_within_one() -> None:
    ids = np.array([[IDS["cls"], *[10] * 6, IDS["sep"], *[0] * (LENGTH - 8)]] * 64)
    starts = np.zeros(ids.shape, bool)
    starts[:, [1, 4]] = True
    found = positions_of(mask((ids, starts), "whole-word"))
    assert {tuple(positions) for positions in found} == {(1,), (4,)}


@pytest.mark.parametrize("mode", MODES)
def test_a_row_without_words_predicts_nothing(mode: str) -> None:
    ids = np.zeros((2, LENGTH), np.int64)
    ids[0, :2] = [IDS["cls"], IDS["sep"]]
    masked = mask((ids, np.zeros(ids.shape, bool)), mode)
    assert masked["masked_lm_weights"].sum() == 0
    np.testing.assert_array_equal(masked["masked_input_ids"], ids)


@pytest.mark.parametrize("mode", MODES)
def test_masks_follow_the_example_and_not_the_batch(rows: Rows, mode: str) -> None:
    whole = mask(rows, mode)
    assert (whole["masked_lm_positions"] != mask(rows, mode, step=4)["masked_lm_positions"]).any()
    ids, starts = map(tf.constant, rows)
    for size in (1, 7, 64):
        part = slice(64, 64 + size)
        examples = tf.range(ROWS, dtype=tf.int64)[part]
        masked = mask_tensors(ids[part], starts[part], examples, mode=mode)
        for name, value in masked.items():
            np.testing.assert_array_equal(value, whole[name][part], err_msg=f"{name}, {size}")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_graphs_mask_the_same(rows: Rows, mode: str, compiled: bool) -> None:
    function = tf.function(partial(mask_tensors, mode=mode), jit_compile=compiled, autograph=False)
    ids, starts = map(tf.constant, rows)
    masked = function(ids, starts, tf.range(ROWS, dtype=tf.int64))
    slots = max_predictions(0.15, LENGTH)
    assert masked["masked_lm_positions"].shape == (ROWS, slots)
    for name, value in mask(rows, mode).items():
        np.testing.assert_array_equal(masked[name], value, err_msg=name)
