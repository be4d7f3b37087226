"""An exponential moving average of the weights that is swapped in to evaluate, exactly."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras
from official.modeling.optimization import ema_optimizer


class WeightAverage(ema_optimizer.ExponentialMovingAverage):
    """Model Garden's ExponentialMovingAverage, of whose class a trainer must see it, made right.

    It covers every trainable weight, hands all arguments on to the optimizer it wraps (Model
    Garden's loses its clipping), begins at the first weights instead of at zero, and swaps by
    exchanging values instead of adding and subtracting, which rounds.

    The arguments are those of Model Garden's class. Its `dynamic_decay` makes the decay of update t
    min(average_decay, (1 + t) / (10 + t)).
    """

    @property
    def wrapped(self) -> Any:
        """The optimizer that makes the updates."""
        return self._optimizer

    def shadow_copy(self, model: tf_keras.Model) -> None:
        """Creates the averages, one for each trainable weight, equal to the weights."""
        super().shadow_copy(model)
        for average, weight in zip(self._average_weights, self._model_weights, strict=True):
            average.assign(weight)

    def apply_gradients(
        self, grads_and_vars: Any, name: str | None = None, **kwargs: Any
    ) -> tf.Operation:
        """Updates the weights, then their averages."""
        update = self._optimizer.apply_gradients(grads_and_vars, name=name, **kwargs)
        ema_optimizer.maybe_merge_call(self.update_average, tf.distribute.get_strategy())
        return update

    def swap_weights(self) -> None:
        """Exchanges weights and averages; twice restores every bit."""
        for average, weight in zip(self._average_weights, self._model_weights, strict=True):
            kept = tf.identity(average.read_value())
            average.assign(weight.read_value())
            weight.assign(kept)
