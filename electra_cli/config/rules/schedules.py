"""Learning rates over updates, as pure functions: of NumPy's arrays, and of TensorFlow's tensors.

Symbols: t an update, counted from 1 since the first one has the rate of step 1 (docs/adr/0003);
T train.steps, W optimizer.warmup_steps, D optimizer.decay_steps.

Every rate is optimizer.learning_rate · decay(t) · min(1, t/W), where decay(t) is

  electra   (1 − t/T)^power                      it falls during warm-up too (model/optimization.py)
  linear    (T − t) / (T − W), at most 1         Devlin et al.'s, if the peak is to be reached
  cosine    (1 + cos(π (t − W) / (T − W))) / 2   Loshchilov and Hutter 2017, without restarts
  constant  1
  wsd       shape((T − t) / D), at most 1        warm-up, stable, decay (Hu et al. 2024, "MiniCPM")

and shape(x) is x or 1 − √(1 − x) (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training
Beyond Fixed Training Durations"). What falls is 0 at T; without a T, wsd does not fall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from electra_cli.config.choices import DecayShape, ScheduleName

if TYPE_CHECKING:
    from electra_cli.config.schema import Config

# Those whose rate at an update depends on how many there will be.
NEED_AN_END: tuple[ScheduleName, ...] = ("electra", "linear", "cosine")
DECAYS_AT_THE_END: ScheduleName = "wsd"


@dataclass(frozen=True)
class Course:
    """What the learning rate does, as a share of its peak.

    Attributes:
      schedule: Its name.
      steps: T; None for no end, which electra, linear and cosine cannot do without.
      warmup_steps: W; 0 for none, and a fraction stays one.
      decay_steps: D, at most T; None for a tenth of T.
      decay_shape: How wsd falls.
      power: Of electra.
    """

    schedule: ScheduleName
    steps: int | None
    warmup_steps: float
    decay_steps: int | None = None
    decay_shape: DecayShape = "linear"
    power: float = 1.0

    @classmethod
    def of(cls, config: Config) -> Course:
        """That of a pretraining."""
        chosen = config.optimizer
        return cls(
            chosen.schedule,
            config.train.steps,
            chosen.warmup_steps,
            chosen.decay_steps,
            chosen.decay_shape,
        )

    @property
    def decay_begins(self) -> int | None:
        """The last update of wsd with the whole rate; None if it never falls."""
        if self.schedule != DECAYS_AT_THE_END or self.steps is None:
            return None
        return self.steps - self._decay_steps(self.steps)

    def rate(self, peak: float, t: Any, xp: Any) -> Any:
        """The learning rate of updates.

        Args:
          peak: optimizer.learning_rate.
          t: Updates as floats, any shape.
          xp: The module that computes: numpy, or tensorflow.

        Returns:
          The shape of `t`.
        """
        rate = peak * self._decay(t, xp)
        if self.warmup_steps:
            rate *= xp.minimum(1.0, t / self.warmup_steps)
        return rate

    def _decay(self, t: Any, xp: Any) -> Any:
        last, warmup = self.steps, self.warmup_steps
        if last is None or self.schedule == "constant":
            return xp.ones_like(t)
        if self.schedule == "electra":
            left = 1.0 - xp.minimum(t / last, 1.0)
            return left**self.power
        if self.schedule == DECAYS_AT_THE_END:
            left = _within_1((last - t) / self._decay_steps(last), xp)
            return left if self.decay_shape == "linear" else 1.0 - xp.sqrt(1.0 - left)
        left = _within_1((last - t) / max(1, last - warmup), xp)
        return left if self.schedule == "linear" else (1.0 + xp.cos(math.pi * (1.0 - left))) / 2.0

    def _decay_steps(self, last: int) -> int:
        return min(last, self.decay_steps or max(1, last // 10))


def same_rates(one: Config, other: Config, updates: int) -> bool:
    """Whether the first updates of a run have the same rates under two configurations."""
    import numpy as np  # here, since every command knows this module

    t = np.arange(1, updates + 1, dtype=np.float64)  # [N]
    rates = [Course.of(c).rate(c.optimizer.learning_rate, t, np) for c in (one, other)]
    return bool(np.array_equal(*rates))


def _within_1(share: Any, xp: Any) -> Any:
    return xp.maximum(0.0, xp.minimum(share, 1.0))
