"""Embeddings, attention and blocks, with weights for which the outcome can be said by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.encoder import Block, Embeddings, Encoder
from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.layers import truncated_normal

DRAWN = truncated_normal(0.02, seed=0)
NO_DROPOUT = Dropout()


@pytest.fixture(autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    with plain_operations():
        yield


def zeros(shape: list[int], name: str) -> tf.Tensor:
    del name
    return tf.zeros(shape)


def sizes(heads: int, layers: int = 1) -> EncoderSizes:
    return EncoderSizes(
        hidden=4, layers=layers, heads=heads, intermediate=8,
        hidden_dropout=0.0, attention_dropout=0.0, initializer_range=0.02,
    )  # fmt: skip


def normalized(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / centred.std(axis=-1, keepdims=True)


def test_embeddings_are_the_sum_of_three_tables_normalized() -> None:
    embeddings = Embeddings(
        vocab_size=5, size=3, max_positions=4, types=2, dropout=0.0, initializer=zeros
    )
    words = np.arange(15, dtype=np.float32).reshape(5, 3) ** 2
    positions = np.float32([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
    types = np.float32([[0, 0, 0], [0, 0, -50]])
    embeddings.words.assign(words)
    embeddings.positions.assign(positions)
    embeddings.types.assign(types)
    ids, segments = tf.constant([[4, 0], [1, 1]]), tf.constant([[0, 1], [1, 0]])
    found = embeddings(ids, segments, tf.float32, NO_DROPOUT)
    summed = [
        words[4],
        words[0] + positions[1] + types[1],
        words[1] + types[1],
        words[1] + positions[1],
    ]
    np.testing.assert_allclose(found, normalized(np.array(summed)), atol=1e-6)
    assert embeddings(ids, segments, tf.bfloat16, NO_DROPOUT).dtype == tf.bfloat16


def attended(heads: int, query: list, key: list, value: list, mask: list[int]) -> np.ndarray:
    """What four tokens see whose queries, keys and values are the given rows; [4, 4]."""
    block = Block(sizes(heads), initializer=zeros, name="layer")
    block.query_key_value.kernel.assign(np.concatenate([query, key, value], axis=1))
    return block._attend(tf.eye(4), tf.constant([mask]), NO_DROPOUT.draw(0.0)).numpy()


NOTHING = np.zeros([4, 4])
FIRST = [[1.0, 0, 0, 0], *NOTHING[1:]]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([1, 1, 1, 1], [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        ([1, 1, 0, 1], [1 / 3, 1 / 3, 0, 1 / 3]),
        ([1, 0, 0, 0], [1, 0, 0, 0]),
    ],
)
def test_equal_scores_give_the_mean_of_all_tokens_that_are_not_padding(
    mask: list[int], expected: list[float]
) -> None:
    found = attended(1, NOTHING, NOTHING, np.eye(4), mask)
    np.testing.assert_allclose(found, [expected] * 4, atol=1e-7)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [([1, 1, 1, 1], [1 / 2, 1 / 6, 1 / 6, 1 / 6]), ([1, 1, 1, 0], [3 / 5, 1 / 5, 1 / 5, 0])],
)
def test_scores_are_divided_by_the_root_of_the_size_of_a_head(
    mask: list[int], expected: list[float]
) -> None:
    """The first token asks for itself with a score of log 3, after dividing by 2."""
    found = attended(1, 2 * math.log(3) * np.array(FIRST), FIRST, np.eye(4), mask)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    equal = np.array(mask) / sum(mask)  # the others ask for nothing
    np.testing.assert_allclose(found[1:], [equal] * 3, atol=1e-6)


def test_each_head_sees_its_own_part_of_queries_keys_and_values() -> None:
    query, key = np.zeros([4, 4]), np.zeros([4, 4])
    query[0, 0], key[3, 0] = 100, 100  # in the first head the first token looks at the last one
    query[0, 2], key[1, 2] = 100, 100  # in the second head at the second one
    value = np.arange(16.0).reshape(4, 4)
    found = attended(2, query, key, value, [1, 1, 1, 1])
    np.testing.assert_allclose(found[0], [*value[3, :2], *value[1, 2:]], atol=1e-5)
    np.testing.assert_allclose(found[1:], [value.mean(axis=0)] * 3, atol=1e-5)


def test_a_block_normalizes_behind_each_sum() -> None:
    """Kernels of zero leave the biases: of the attention, and of the two dense layers."""
    block = Block(sizes(heads=2), initializer=zeros, name="layer")
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    attention, narrowed = np.float32([1, 2, 3, 5]), np.float32([0, 4, 0, -4])
    block.attention_output.bias.assign(attention)
    block.output.bias.assign(narrowed)
    found = block(tf.constant(values), tf.ones([2, 3], tf.int32), NO_DROPOUT)
    expected = normalized(normalized(values + attention) + narrowed)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("embedding", "is_projected"), [(4, False), (6, True)])
def test_embeddings_of_another_size_are_projected(embedding: int, is_projected: bool) -> None:
    encoder = Encoder(
        embedding, sizes(2, layers=3), initializer=DRAWN, projection_initializer=DRAWN, name="e"
    )
    found = encoder(tf.ones([6, embedding]), tf.ones([2, 3], tf.int32), NO_DROPOUT)
    assert found.shape == (6, 4)
    names = [variable.name for variable in encoder.trainable_variables]
    assert len(names) == 3 * 12 + 2 * is_projected
    assert any(name.startswith("e/embeddings_project/") for name in names) == is_projected
    for layer in range(3):
        assert sum(name.startswith(f"e/encoder/layer_{layer}/") for name in names) == 12
