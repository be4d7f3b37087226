"""What can be known without learning: losses that give the numbers of a run their meaning."""

from __future__ import annotations

import math


def uniform_loss(vocab_size: int) -> float:
    """Loss of a generator that holds every word piece for equally likely, in nats."""
    return math.log(vocab_size)


def constant_disc_loss(replaced_rate: float) -> float:
    """Loss of a discriminator that calls every token original, with the best constant probability.

    Args:
      replaced_rate: Share of the tokens that are replaced.

    Returns:
      Nats a token: the entropy of the rate.
    """
    shares = (replaced_rate, 1.0 - replaced_rate)
    return -sum(share * math.log(share) for share in shares if share > 0.0)
