"""Properties of the masking, over many rows."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import max_predictions
from electra_cli.inputs import masking

IDS = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
ROWS, LENGTH = 512, 64


def rows(lengths: np.ndarray) -> np.ndarray:
    """[CLS] a [SEP] b [SEP] rows of the given lengths; ordinary ids are 10 and up, some [UNK]."""
    generator = np.random.default_rng(0)
    ids = generator.integers(10, 200, (len(lengths), LENGTH))
    ids[generator.random(ids.shape) < 0.05] = IDS["unk"]
    for row, length in zip(ids, lengths, strict=True):
        row[0] = IDS["cls"]
        row[length // 2] = row[length - 1] = IDS["sep"]
        row[length:] = 0
    return ids


def mask(ids: np.ndarray, *, sampling: str = "reference", step: int = 0, probability: float = 0.15):
    features = masking.rows_to_features(tf.constant(ids), IDS["sep"])
    masked = masking.mask_tokens(
        features,
        seed=tf.constant(5, tf.int64),
        step=tf.constant(step, tf.int64),
        examples=tf.range(len(ids), dtype=tf.int64),
        mask_probability=probability,
        sampling=sampling,
        special_ids=IDS,
    )
    return {name: value.numpy() for name, value in masked.items()}


@pytest.fixture(scope="module")
def lengths() -> np.ndarray:
    return np.random.default_rng(1).integers(8, LENGTH + 1, ROWS)


def test_segments_and_mask_follow_from_the_ids() -> None:
    ids = tf.constant([[2, 11, 3, 12, 13, 3, 0, 0], [2, 11, 12, 13, 14, 15, 16, 3]])
    features = masking.rows_to_features(ids, IDS["sep"])
    np.testing.assert_array_equal(
        features["segment_ids"], [[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        features["input_mask"], [[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]]
    )


def test_padding_need_not_be_0() -> None:
    """Where ids change places, so do those of the features, and nothing else."""
    ids = np.array([[2, 5, 6, 3, 7, 3, 0, 0], [2, 8, 3, 0, 0, 0, 0, 0]], np.int32)
    swapped = np.arange(10, dtype=np.int32)
    swapped[[0, 8]] = 8, 0  # a word has the id 0, and padding another
    draws = {
        "seed": tf.constant(1, tf.int64),
        "step": tf.constant(3, tf.int64),
        "examples": tf.constant([4, 9], tf.int64),
        "mask_probability": 0.5,
        "sampling": "distinct",
        "special_ids": IDS,
    }
    plain = masking.rows_to_features(tf.constant(ids), IDS["sep"])
    other = masking.rows_to_features(tf.constant(swapped[ids]), IDS["sep"], pad_id=8)
    plain, other = (masking.mask_tokens(found, **draws) for found in (plain, other))
    for name, found in plain.items():
        values = found.numpy()
        expected = swapped[values] if name in ("input_ids", "masked_input_ids") else values
        if name == "masked_lm_ids":
            expected = np.where(plain["masked_lm_weights"] > 0, swapped[values], 0)
        np.testing.assert_array_equal(other[name], expected, err_msg=name)


@pytest.mark.parametrize("sampling", ["reference", "distinct"])
def test_only_ordinary_tokens_are_masked(lengths: np.ndarray, sampling: str) -> None:
    ids = rows(lengths)
    masked = mask(ids, sampling=sampling)
    used = masked["masked_lm_weights"] > 0
    originals = np.take_along_axis(ids, masked["masked_lm_positions"], axis=1)
    np.testing.assert_array_equal(originals[used], masked["masked_lm_ids"][used])
    assert not np.isin(originals[used], [IDS["pad"], IDS["cls"], IDS["sep"], IDS["mask"]]).any()
    assert (originals[used] == IDS["unk"]).any()
    assert (masked["masked_lm_positions"][~used] == 0).all()
    # Outside of the chosen positions nothing changes, and what changes becomes [MASK].
    changed = masked["masked_input_ids"] != ids
    assert (masked["masked_input_ids"][changed] == IDS["mask"]).all()
    chosen = np.zeros_like(changed)
    np.put_along_axis(chosen, np.where(used, masked["masked_lm_positions"], 0), True, axis=1)
    assert not (changed & ~chosen).any()


@pytest.mark.parametrize("sampling", ["reference", "distinct"])
@pytest.mark.parametrize("probability", [0.15, 0.25])
def test_number_of_masked_tokens(lengths: np.ndarray, sampling: str, probability: float) -> None:
    masked = mask(rows(lengths), sampling=sampling, probability=probability)
    slots = max_predictions(probability, LENGTH)
    assert masked["masked_lm_weights"].shape == (ROWS, slots)
    expected = np.clip(np.round(lengths * probability), 1, slots)
    np.testing.assert_array_equal(masked["masked_lm_weights"].sum(axis=1), expected)


def test_distinct_positions_are_distinct_and_reference_repeats(lengths: np.ndarray) -> None:
    def repeats(sampling: str) -> int:
        masked = mask(rows(lengths), sampling=sampling)
        used = masked["masked_lm_weights"] > 0
        return sum(
            u.sum() - len(set(p[u]))
            for p, u in zip(masked["masked_lm_positions"], used, strict=True)
        )

    assert repeats("distinct") == 0
    assert repeats("reference") > 0


def test_the_reference_draws_each_position_independently() -> None:
    ids = rows(np.full(ROWS, LENGTH))
    different = []
    for step in range(8):
        masked = mask(ids, step=step, probability=0.25)
        used = masked["masked_lm_weights"] > 0
        different += [
            len(set(p[u])) for p, u in zip(masked["masked_lm_positions"], used, strict=True)
        ]
    draws, candidates = used[0].sum(), LENGTH - 3
    expected = candidates * (1 - (1 - 1 / candidates) ** draws)
    deviation = np.std(different) / len(different) ** 0.5
    assert abs(np.mean(different) - expected) < 4 * deviation
    assert np.mean(different) < draws - 1  # without replacement it would be all of them


def test_85_percent_become_mask_and_the_rest_stays(lengths: np.ndarray) -> None:
    kept = total = 0
    for step in range(8):
        masked = mask(rows(lengths), sampling="distinct", step=step)
        used = masked["masked_lm_weights"] > 0
        there = np.take_along_axis(masked["masked_input_ids"], masked["masked_lm_positions"], 1)
        kept += (there[used] == masked["masked_lm_ids"][used]).sum()
        total += used.sum()
    assert abs(kept / total - 0.15) < 4 * (0.15 * 0.85 / total) ** 0.5


@pytest.mark.parametrize("sampling", ["reference", "distinct"])
def test_positions_are_uniform(sampling: str) -> None:
    ids = rows(np.full(ROWS, LENGTH))
    counts = np.zeros(LENGTH)
    for step in range(8):
        masked = mask(ids, sampling=sampling, step=step)
        used = masked["masked_lm_weights"] > 0
        counts += np.bincount(masked["masked_lm_positions"][used], minlength=LENGTH)
    candidates = np.delete(counts, [0, LENGTH // 2, LENGTH - 1])
    expected = candidates.mean()
    chi_square = ((candidates - expected) ** 2 / expected).sum()
    assert chi_square < 100.9  # 60 degrees of freedom, p = 0.0008


def test_masks_follow_the_example_and_not_the_batch() -> None:
    ids = rows(np.full(6, LENGTH))
    features = masking.rows_to_features(tf.constant(ids), IDS["sep"])

    def positions(part: slice) -> np.ndarray:
        return masking.mask_tokens(
            {name: value[part] for name, value in features.items()},
            seed=tf.constant(5, tf.int64),
            step=tf.constant(3, tf.int64),
            examples=tf.range(6, dtype=tf.int64)[part],
            mask_probability=0.15,
            sampling="reference",
            special_ids=IDS,
        )["masked_lm_positions"].numpy()

    whole = positions(slice(0, 6))
    np.testing.assert_array_equal(whole[2:4], positions(slice(2, 4)))
    assert (mask(ids, step=3)["masked_lm_positions"] == whole).all()
    assert (mask(ids, step=4)["masked_lm_positions"] != whole).any()


@pytest.mark.parametrize("sampling", ["reference", "distinct"])
def test_rows_without_candidates_predict_nothing(sampling: str) -> None:
    ids = np.zeros((2, LENGTH), np.int64)
    ids[0, :2] = [IDS["cls"], IDS["sep"]]
    masked = mask(ids, sampling=sampling)
    assert masked["masked_lm_weights"].sum() == 0
    np.testing.assert_array_equal(masked["masked_input_ids"], ids)


def test_a_position_written_twice_gets_the_floor_of_the_mean() -> None:
    result = masking.scatter_ids(
        tf.constant([[10, 20, 30, 40]]),
        tf.constant([[1, 1, 2, 0, 3]]),
        tf.constant([[7, 10, 5, 99, 98]]),
        tf.constant([[1.0, 1.0, 1.0, 0.0, 1.0]]),
    )
    np.testing.assert_array_equal(result, [[10, 8, 5, 98]])
