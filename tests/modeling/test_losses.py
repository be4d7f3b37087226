"""Losses by hand: cross-entropies, sums over what is weighed, and labels that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.errors import DataError
from electra_cli.modeling import losses
from electra_cli.modeling.fused import plain_operations


@pytest.fixture(autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    with plain_operations():
        yield


# Shares of 1/8, 2/8 and 5/8, at any level.
SHARES = np.log([1, 2, 5]).astype("float32")


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_masked_lm_cross_entropy(dtype: tf.DType) -> None:
    logits = tf.constant([[SHARES, SHARES + 1000], [SHARES - 1000, [0, 0, 0]]])  # [2, 2, 3]
    found = losses.masked_lm_cross_entropy(logits, tf.constant([[0, 1], [2, 2]], dtype))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, [[log(8), log(4)], [log(8 / 5), log(3)]], rtol=1e-4)


def test_the_gradient_of_a_position_without_weight_is_0() -> None:
    logits = tf.constant([[SHARES, SHARES]])  # [1, 2, 3]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = losses.masked_lm_cross_entropy(logits, tf.constant([[1, 0]]))
        total = losses.total_of(found * [[1, 0]])
    gradient = tape.gradient(total, logits)
    np.testing.assert_allclose(gradient, [[[1 / 8, 2 / 8 - 1, 5 / 8], [0, 0, 0]]], atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.bool, tf.int32, tf.float32])
def test_discriminator_cross_entropy(dtype: tf.DType) -> None:
    logits = tf.constant([[0, log(3), log(3)], [1000, 1000, -1000]], tf.float32)
    labels = tf.cast([[1, 1, 0], [1, 0, 1]], dtype)
    found = losses.discriminator_cross_entropy(logits, labels)
    np.testing.assert_allclose(found, [[log(2), log(4 / 3), log(4)], [0, 1000, 1000]], rtol=1e-6)


def test_next_sentence_cross_entropy() -> None:
    logits = tf.constant([[0, log(3)], [0, log(3)], [5, 5]], tf.float32)
    found = losses.next_sentence_cross_entropy(logits, tf.constant([0, 1, 1]))
    np.testing.assert_allclose(found, [log(4), log(4 / 3), log(2)], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ([[1, 2], [3, 6]], [[1, 1], [1, 1]], 3),
        ([[1, 2], [3, 6]], [[1, 0], [True, False]], 2),  # a mask is as good
        ([[1, 2], [3, 6]], [[0.5, 0], [0, 1.5]], 4.75),
        ([[1, 2], [3, 6]], [[0, 0], [0, 0]], 0),  # nothing to average over
        ([[]], [[]], 0),
    ],
)
def test_a_mean_over_what_has_weight(values: Any, weights: Any, expected: float) -> None:
    weights = np.array(weights, "float32")
    count = losses.total_of(weights)
    found = losses.mean(losses.total_of(tf.constant(values, tf.float32) * weights), count)
    assert (float(count), found.dtype) == (weights.sum(), tf.float32)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [tf.bool, tf.int64, tf.float16])
def test_totals_are_float32_of_any_type(dtype: tf.DType) -> None:
    found = losses.total_of(tf.ones([3000], dtype))  # float16 cannot count them one by one
    assert (float(found), found.dtype) == (3000, tf.float32)


def test_counts_are_those_of_all_replicas() -> None:
    counts = {"a": tf.constant(2.0), "b": tf.constant(0.0)}
    assert losses.over_replicas(counts) == counts
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        assert losses.over_replicas(counts) is counts
    own = {
        "a": strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(2.0 + context.replica_id_in_sync_group)
        )
    }
    found = strategy.run(tf.function(losses.over_replicas), (own,))
    assert [float(x) for x in strategy.experimental_local_results(found["a"])] == [5, 5]


LABELS = {"masked_ids": np.zeros([2, 3], "int32"), "weights": np.zeros([2, 3], "float32")}


def test_labels_that_fit() -> None:
    names = list(LABELS)
    losses.check_labels(LABELS, names, tf.TensorShape([2, 3]))
    losses.check_labels(LABELS, names, tf.TensorShape([None, 3]))
    whole = {name: tf.zeros([2, 3], tf.int64) for name in names}  # integers are weights too
    losses.check_labels(whole, names, tf.TensorShape([2, 3]))
    losses.check_labels({}, [], tf.TensorShape([2, 3]))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"masked_ids": np.zeros([2, 4], "int32")}, r"masked_ids must be \[2, 3\], .*\[2, 4\]"),
        ({"weights": np.zeros([2])}, r"weights must be \[2, 3\], .* but is \[2\]"),
        (
            {"masked_ids": np.zeros([2, 3], "float32")},
            r"masked_ids must be integers, .* but is float32",
        ),
        ({"weights": np.zeros([2, 3], bool)}, r"weights must be numbers, .* but is bool"),
        ({"weights": np.full([2, 3], "1")}, r"weights must be numbers, .* but is string"),
    ],
)
def test_labels_that_do_not_fit(labels: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(DataError, match=words):
        losses.check_labels(LABELS | labels, list(LABELS), tf.TensorShape([2, 3]))


def test_a_label_that_is_not_there() -> None:
    assert losses.require({"labels": [1, 0]}, "labels").shape == [2]
    with pytest.raises(DataError, match=r"has no labels, which must be \[B\]; it has a, b"):
        losses.require({"b": 1, "a": 2}, "labels")
    with pytest.raises(DataError, match=r"has no c, which must be \[2, 3\]"):
        losses.check_labels(LABELS, ["c"], tf.TensorShape([2, 3]))
