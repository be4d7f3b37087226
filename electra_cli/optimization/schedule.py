"""The reference's learning rate: linear decay over the whole run, times linear warm-up."""

from __future__ import annotations

from typing import Any

import gin
import tensorflow as tf
import tf_keras


@gin.configurable(allowlist=["power"])
class ElectraSchedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """lr(t) = lr₀ · (1 − t/T)^power · min(1, t/W) (model/optimization.py, create_optimizer).

    The decay runs during warm-up too, so the peak is lr₀·(1 − W/T).

    Args:
      initial_learning_rate: lr₀.
      steps: T, the horizon.
      warmup_steps: W; 0 for none, and a fraction stays one.
      power: 1 is the reference's linear decay.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        steps: int,
        warmup_steps: float,
        power: float = 1.0,
        name: str = "electra",
    ) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.steps = steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.name = name

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at step t; scalar float32."""
        done = tf.cast(step, tf.float32)
        left = 1.0 - tf.minimum(done / self.steps, 1.0)
        rate = self.initial_learning_rate * left**self.power
        if self.warmup_steps:
            rate *= tf.minimum(1.0, done / self.warmup_steps)
        return rate

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "name": self.name,
        }
