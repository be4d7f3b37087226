"""Steps of a batch that is divided into lanes."""

from __future__ import annotations

import pytest
import tensorflow as tf

from electra_cli.tasks.step import outputs_of_lanes


@pytest.mark.parametrize("rows", [4, None])
def test_lanes_take_a_batch_whose_size_is_not_known(rows: int | None) -> None:
    """Workers on several machines do not know the size of each batch of an evaluation."""

    @tf.function(input_signature=[tf.TensorSpec([rows, 2])])
    def outputs(values: tf.Tensor) -> tf.Tensor:
        return outputs_of_lanes(lambda part: {"twice": 2 * part["x"]}, {"x": values}, 2)["twice"]

    values = tf.reshape(tf.range(8.0), [4, 2])
    assert (outputs(values).numpy() == 2 * values.numpy()).all()
