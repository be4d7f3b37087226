from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.inputs import philox


@pytest.mark.parametrize(
    ("seed", "step", "example", "stream"),
    [(0, 0, 0, 0), (7, 9, 12_345_678_901, 2), (2**31 - 1, 3, 1, 1)],
)
def test_bits_are_those_of_tensorflow(seed: int, step: int, example: int, stream: int) -> None:
    ours = philox.random_bits(
        seed=tf.constant(seed, tf.int64),
        step=tf.constant(step, tf.int64),
        examples=tf.constant([example], tf.int64),
        stream=stream,
        count=23,
    )
    theirs = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[23],
        key=tf.constant([seed | step << 32], tf.uint64),
        counter=tf.constant([stream << 32, example], tf.uint64),
        alg=1,  # philox
        dtype=tf.uint32,
    )
    np.testing.assert_array_equal(ours[0], theirs)


def test_a_row_does_not_depend_on_its_batch() -> None:
    def draw(examples: list[int]) -> np.ndarray:
        return philox.random_bits(
            seed=tf.constant(1, tf.int64),
            step=tf.constant(2, tf.int64),
            examples=tf.constant(examples, tf.int64),
            stream=0,
            count=5,
        ).numpy()

    together = draw([4, 9, 6])
    np.testing.assert_array_equal(together[1], draw([9])[0])
    assert len({tuple(row) for row in together}) == 3


def test_the_same_bits_inside_a_compiled_function() -> None:
    def draw() -> tf.Tensor:
        return philox.random_bits(
            seed=tf.constant(1, tf.int64),
            step=tf.constant(2, tf.int64),
            examples=tf.range(3, dtype=tf.int64),
            stream=0,
            count=9,
        )

    np.testing.assert_array_equal(draw(), tf.function(draw, jit_compile=True)())


def test_integers_cover_their_range_evenly() -> None:
    bits = tf.constant(np.random.default_rng(0).integers(0, 2**32, (1, 60_000)), tf.uint32)
    drawn = philox.integer_below(bits, tf.constant([6])).numpy()[0]
    counts = np.bincount(drawn, minlength=6)
    assert len(counts) == 6
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 20.5  # chi-square, 5 degrees, p = 0.001


def test_uniform_stays_below_one() -> None:
    numbers = philox.uniform(tf.constant([0, 2**32 - 1], tf.uint32)).numpy()
    assert numbers[0] == 0.0
    assert 0.9999 < numbers[1] < 1.0
