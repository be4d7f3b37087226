"""How many arrays of the size of the vocabulary's logits a compiled step holds at once."""

from __future__ import annotations

import math
import re

import tensorflow as tf

from electra_cli.modeling.fused import biased_logits, cross_entropy, plain_operations
from electra_cli.modeling.sampling import sample_ids
from tests.modeling.test_fused import normal

ROWS, VOCABULARY, SIZE = 64, 3000, 8


def learned(
    values: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, ids: tf.Tensor
) -> list[tf.Tensor]:
    """Samples, the loss, and its gradients."""
    inputs = [values, table, bias]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        product = tf.matmul(*(tf.cast(x, tf.bfloat16) for x in inputs[:2]), transpose_b=True)
        logits = biased_logits(product, bias)  # [N, V]
        loss = tf.reduce_sum(cross_entropy(logits, ids))
    samples = sample_ids(logits, tf.fill([ROWS], 0.5))
    return [samples, loss, *tape.gradient(loss, inputs)]


def test_two_arrays_of_the_size_of_the_logits_live_at_once() -> None:
    """The product and one more, in XLA's own order; on a CPU it writes bfloat16 as float32."""
    inputs = normal(ROWS, SIZE), normal(VOCABULARY, SIZE), normal(VOCABULARY)
    tensors = [*map(tf.constant, inputs), tf.range(ROWS)]
    with plain_operations():
        compiled = tf.function(learned, jit_compile=True, autograph=False)
        text = compiled.experimental_get_compiler_ir(*tensors)(stage="optimized_hlo")
    lines = text[text.index("\nENTRY") :].splitlines()  # in the order in which they run
    lives = []
    for start, line in enumerate(lines):
        found = re.match(r" *(?:ROOT )?(%?[\w.-]+) = f32\[([\d,]+)\]", line)
        if found and math.prod(map(int, found[2].split(","))) >= ROWS * VOCABULARY * 0.9:
            uses = [i for i, other in enumerate(lines) if re.search(rf"{found[1]}\b", other)]
            lives.append((start, max(uses)))
    assert lives
    assert max(sum(a <= start <= b for a, b in lives) for start, _ in lives) == 2
