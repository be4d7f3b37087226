"""Layers that are computed again in the backward pass, in both forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.modeling.architecture import EncoderSizes
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.encoder import Encoder
from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.layers import truncated_normal
from tests.modeling.test_fused import normal

LENGTH = 136  # more than a block of queries
DRAWN = truncated_normal(0.2, seed=0)
VALUES = normal(2 * LENGTH, 8)


def stepping(layers: int, *, recomputes: bool, compiled: bool = False) -> Any:
    """A function of embeddings: the output with dropout, and all gradients."""
    sizes = EncoderSizes(
        hidden=8, layers=layers, heads=2, intermediate=16,
        hidden_dropout=0.2, attention_dropout=0.2, initializer_range=0.02,
    )  # fmt: skip
    encoder = Encoder(
        8, sizes, initializer=DRAWN, projection_initializer=DRAWN, name="e", recomputes=recomputes
    )

    def step(values: tf.Tensor) -> list[tf.Tensor]:
        mask = tf.sequence_mask([LENGTH, LENGTH // 2], LENGTH, dtype=tf.int32)
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = encoder(values, mask, Dropout(tf.constant(1), tf.constant(2)))
            total = tf.reduce_sum(found * tf.range(8.0))
        return [found, *tape.gradient(total, [values, *encoder.trainable_variables])]

    def plain(values: tf.Tensor) -> list[tf.Tensor]:
        with plain_operations():
            return step(values)

    return tf.function(plain if compiled else step, jit_compile=compiled, autograph=False)


def test_nothing_changes_to_the_last_bit_in_pieces() -> None:
    """Which includes the masks of dropout."""
    kept, again = stepping(2, recomputes=False), stepping(2, recomputes=True)
    for found, expected in zip(again(tf.constant(VALUES)), kept(tf.constant(VALUES)), strict=True):
        np.testing.assert_array_equal(found, expected)

    def products(step: Any) -> int:
        graph = step.get_concrete_function(tf.constant(VALUES)).graph
        return sum("MatMul" in operation.type for operation in graph.get_operations())

    assert products(again) - products(kept) == 2 * 6


def test_xla_does_not_take_the_second_pass_for_the_first() -> None:
    kept, again = (stepping(1, recomputes=flag, compiled=True) for flag in (False, True))
    pieces = stepping(1, recomputes=False)
    for found, expected in zip(
        again(tf.constant(VALUES)), pieces(tf.constant(VALUES)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    without, anew = (
        step.experimental_get_compiler_ir(tf.constant(VALUES))(stage="optimized_hlo").count(" dot(")
        for step in (kept, again)
    )
    # XLA for CPUs gives the barrier up before its last search: queries, keys and values are found.
    assert anew - without == 5
