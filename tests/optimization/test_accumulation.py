"""Parts of a batch, one after the other or side by side, give what the whole batch gives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.optimization.accumulation import Found, accumulate, sum_of_lanes, take_part

NAMES = ["squares", "rows", "part"]


@pytest.fixture
def batch() -> dict[str, tf.Tensor]:
    return {
        "x": tf.constant([[1, 0], [0, 1], [1, 1], [2, 1]], tf.float32),
        "y": tf.constant([1, 4, 3, 0], tf.float32),
    }


@pytest.fixture
def variables() -> list[tf.Variable]:
    return [tf.Variable([1.0, 2.0]), tf.Variable(3.0)]


def forward_backward(
    variables: list[tf.Variable], part: tf.Tensor, rows: Mapping[str, tf.Tensor]
) -> Found:
    """A quarter of the squared errors of a line."""
    slope, offset = variables
    with tf.GradientTape() as tape:
        made = tf.linalg.matvec(rows["x"], slope) + offset  # [rows]
        squares = tf.reduce_sum((made - rows["y"]) ** 2) / 4
    found = {
        "part": tf.cast(part, tf.float32),
        "rows": tf.cast(tf.size(rows["y"]), tf.float32),
        "squares": squares,
    }
    return tape.gradient(squares, variables), found


@pytest.mark.parametrize("how", ["at once", "in a graph", "compiled"])
@pytest.mark.parametrize(
    ("parts", "lanes", "numbers"),
    [(1, 1, 0), (2, 1, 0 + 1), (4, 1, 0 + 1 + 2 + 3), (1, 2, 0), (2, 2, 2 * (0 + 1))],
)
def test_gradients_and_losses_of_the_whole_batch(
    batch: dict[str, tf.Tensor],
    variables: list[tf.Variable],
    parts: int,
    lanes: int,
    numbers: int,
    how: str,
) -> None:
    """The line gives 4, 5, 6 and 7, whose errors are 3, 1, 3 and 7."""

    def of_part(part: tf.Tensor, rows: Mapping[str, tf.Tensor]) -> Found:
        return sum_of_lanes(
            lambda part, lane, rows: forward_backward(variables, part, rows),
            part,
            rows,
            lanes=lanes,
        )

    whole = partial(accumulate, of_part, batch, parts, variables, NAMES)
    if how != "at once":
        whole = tf.function(whole, autograph=False, jit_compile=how == "compiled")
    gradients, found = whole()
    np.testing.assert_array_equal(gradients[0], [(3 + 3 + 14) / 2, (1 + 3 + 7) / 2])
    np.testing.assert_array_equal(gradients[1], (3 + 1 + 3 + 7) / 2)
    expected = {"squares": (9 + 1 + 9 + 49) / 4, "rows": 4, "part": numbers}
    assert {name: float(value) for name, value in found.items()} == expected


def test_a_part_is_the_next_rows(batch: dict[str, tf.Tensor]) -> None:
    found = take_part(batch, tf.constant(1), 2)
    np.testing.assert_array_equal(found["x"], [[1, 1], [2, 1]])
    np.testing.assert_array_equal(found["y"], [3, 0])
    in_graph = tf.function(lambda part: take_part(batch, part, 2)["x"])
    traced = in_graph.get_concrete_function(tf.TensorSpec([], tf.int32))
    assert traced.output_shapes == [2, 2]  # known before the part is
