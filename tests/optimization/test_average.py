"""The average of weights: its formula, and the exchange with the weights."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from electra_cli.optimization.adamw import ElectraAdamW
from electra_cli.optimization.average import WeightAverage

DECAY = 0.5


def test_the_average_of_the_weights_and_their_exchange() -> None:
    model = tf_keras.Sequential([tf_keras.layers.Input([3]), tf_keras.layers.Dense(2)])
    optimizer = WeightAverage(ElectraAdamW(0.1), average_decay=DECAY, dynamic_decay=True)
    optimizer.shadow_copy(model)
    weights = model.trainable_variables
    expected = [v.numpy() for v in weights]
    for step in range(1, 5):
        optimizer.apply_gradients([(tf.ones_like(v) * step, v) for v in weights])
        decay = min(DECAY, (1 + step) / (10 + step))
        pairs = zip(expected, weights, strict=True)
        expected = [decay * average + (1 - decay) * v.numpy() for average, v in pairs]
    averages = [optimizer.get_slot(v, "average") for v in weights]
    for average, wanted in zip(averages, expected, strict=True):
        np.testing.assert_allclose(average.numpy(), wanted, atol=1e-6)

    before = [(v.numpy(), average.numpy()) for v, average in zip(weights, averages, strict=True)]
    for number, (weight, average) in enumerate(before):
        assert (weight != average).all()
        optimizer.swap_weights()
        np.testing.assert_array_equal(weights[number].numpy(), average)
        np.testing.assert_array_equal(averages[number].numpy(), weight)
        optimizer.swap_weights()
        np.testing.assert_array_equal(weights[number].numpy(), weight)
