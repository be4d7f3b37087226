"""Scores of blocks of positions: those of all at once, and their gradient, in every form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.modeling.electric import vocabulary
from electra_cli.modeling.fused import plain_operations
from tests.modeling.test_fused import normal

POSITIONS, WIDTH, VOCABULARY = 22, 8, 300
IDS = np.arange(POSITIONS, dtype=np.int32) * 13 % VOCABULARY
OTHERS = np.arange(POSITIONS, dtype=np.int32) * 29 % VOCABULARY
BOUNDS = {"float32": 2e-6, "bfloat16": 1e-2}


def inputs() -> list[tf.Tensor]:
    shapes = ([POSITIONS, WIDTH], [VOCABULARY, WIDTH], [VOCABULARY])
    return [tf.constant(normal(*shape, seed=seed)) for seed, shape in enumerate(shapes)]


def found(scores: Any, dtype: str, *arrays: tf.Tensor) -> list[tf.Tensor]:
    """What is said of every position, and the gradient of a weighed sum of the losses."""
    predicted, words, bias = arrays
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        narrow = tf.cast(predicted, dtype), tf.cast(words, dtype)
        ids, others = tf.constant(IDS), tf.constant(OTHERS)
        nats, of_others, is_best = scores(*narrow, bias, ids, others)
        loss = tf.reduce_sum(nats * tf.range(1.0, POSITIONS + 1)) / POSITIONS
    return [nats, of_others, is_best, *tape.gradient(loss, arrays)]


def at_once(
    predicted: tf.Tensor, words: tf.Tensor, bias: tf.Tensor, ids: tf.Tensor, others: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    product = tf.matmul(predicted, words, transpose_b=True)
    logs = tf.nn.log_softmax(tf.cast(product, tf.float32) + bias)  # [N, V]
    there, other = (tf.gather(logs, x[:, None], batch_dims=1)[:, 0] for x in (ids, others))
    return -there, other, tf.cast(there >= tf.reduce_max(logs, axis=1), tf.float32)


@pytest.mark.parametrize(("block", "dtype"), [(8, "float32"), (8, "bfloat16"), (512, "float32")])
def test_blocks_say_what_all_at_once_say(
    monkeypatch: pytest.MonkeyPatch, block: int, dtype: str
) -> None:
    """22 positions are three blocks of 8, the last of which has two fillers."""
    monkeypatch.setattr(vocabulary, "MOST_CANDIDATES", block)
    arrays = inputs()
    expected = found(at_once, "float32", *arrays)
    shapes = ([None, WIDTH], [VOCABULARY, WIDTH], [VOCABULARY])
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]

    def scored(*arrays: tf.Tensor) -> list[tf.Tensor]:
        return found(vocabulary.scores_of, dtype, *arrays)

    pieces = tf.function(scored, specs, autograph=False)
    forms = [pieces(*arrays)]
    with plain_operations():
        forms.append(scored(*arrays))
        forms.append(tf.function(scored, jit_compile=True, autograph=False)(*arrays))
    for form in forms:
        for ours, theirs in zip(form, expected, strict=True):
            difference = np.linalg.norm(ours - theirs)
            assert difference <= BOUNDS[dtype] * np.linalg.norm(theirs)


def test_logits_of_all_positions_are_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "MOST_CANDIDATES", 8)
    with plain_operations():
        traced = tf.function(
            lambda *arrays: found(vocabulary.scores_of, "float32", *arrays), jit_compile=True
        )
        text = traced.experimental_get_compiler_ir(*inputs())(stage="optimized_hlo")
    assert f"[8,{VOCABULARY}]" in text
    assert f"[{POSITIONS},{VOCABULARY}]" not in text
    assert f"[24,{VOCABULARY}]" not in text
    assert f"[3,8,{VOCABULARY}]" not in text
