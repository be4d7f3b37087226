"""The learning rates of config/rules/schedules.py as Keras schedules."""

from __future__ import annotations

from typing import Any, ClassVar

import gin
import tensorflow as tf
import tf_keras

from electra_cli.config.choices import DecayShape, ScheduleName
from electra_cli.config.rules.schedules import Course


class _Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):
    """The rate of a course."""

    _of_course: ClassVar[tuple[str, ...]] = ()  # what of it a subclass takes

    def __init__(self, initial_learning_rate: float, course: Course, name: str) -> None:
        super().__init__()
        self.initial_learning_rate, self.course, self.name = initial_learning_rate, course, name

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at step t; scalar float32."""
        return self.course.rate(self.initial_learning_rate, tf.cast(step, tf.float32), tf)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        course = {name: getattr(self.course, name) for name in self._of_course}
        return {"initial_learning_rate": self.initial_learning_rate, **course, "name": self.name}


class CourseSchedule(_Schedule):
    """Any schedule but the reference's, see `Course`.

    Args:
      initial_learning_rate: Its peak, before warm-up and decay.
      schedule: Its name.
      steps: T, the horizon; None for no end.
      warmup_steps: W.
      decay_steps: D.
      decay_shape: How wsd falls.
    """

    _of_course = ("schedule", "steps", "warmup_steps", "decay_steps", "decay_shape")

    def __init__(
        self,
        initial_learning_rate: float,
        schedule: ScheduleName,
        steps: int | None,
        warmup_steps: float,
        decay_steps: int | None = None,
        decay_shape: DecayShape = "linear",
        name: str = "course",
    ) -> None:
        course = Course(schedule, steps, warmup_steps, decay_steps, decay_shape)
        super().__init__(initial_learning_rate, course, name)


@gin.configurable(allowlist=["power"])
class ElectraSchedule(_Schedule):
    """lr(t) = lr₀ · (1 − t/T)^power · min(1, t/W) (model/optimization.py, create_optimizer).

    The decay runs during warm-up too, so the peak is lr₀·(1 − W/T).

    Args:
      initial_learning_rate: lr₀.
      steps: T, the horizon.
      warmup_steps: W; 0 for none, and a fraction stays one.
      power: 1 is the reference's linear decay.
    """

    _of_course = ("steps", "warmup_steps", "power")

    def __init__(
        self,
        initial_learning_rate: float,
        steps: int,
        warmup_steps: float,
        power: float = 1.0,
        name: str = "electra",
    ) -> None:
        course = Course("electra", steps, warmup_steps, power=power)
        super().__init__(initial_learning_rate, course, name)
