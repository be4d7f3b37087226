"""The rules of docs/recipes.md: which sizes a text allows, and what each size is trained with.

What is neither measured nor from a source is a rule of thumb, and the page says which is which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Hardware = Literal["cpu", "gpu"]

BYTES_A_TOKEN = 4.0  # English; 4.45 in ten novels with 8,000 word pieces
SMALLEST, LARGEST = 1_000_000, 10**15  # bytes of text for which the rules say anything
FEWEST_STEPS = 200  # below these the schedule means nothing
ENOUGH_STEPS = 50_000  # with fewer, smaller batches are better: more updates of the same tokens
FEWEST_ROWS = 32  # of a batch made smaller
REPEATED = 10  # passes over a text from which on every model needs dropout
CPU_TFLOPS = 0.2  # two cores with bfloat16: 30 rows of `small` a second are 0.27
CPU_MEMORY = 16  # GiB


@dataclass(frozen=True)
class Size:
    """A model, and when it is worth training.

    Attributes:
      name: What the page calls it.
      preset: The preset it begins from.
      fewest_tokens: Positions it has to see to be better than the size before it.
      gpu_tflops: What a GPU computes of it in a second, in TFLOP.
      gpu_memory: GiB of that GPU.
      published: The preset's schedule is that of a paper, and as long as a run has to be.
      changes: Keys in which it differs from its preset.
    """

    name: str
    preset: str
    fewest_tokens: float
    gpu_tflops: float
    gpu_memory: int = 16
    published: bool = True
    changes: Mapping[str, Any] = field(default_factory=dict)

    def tflops(self, hardware: Hardware) -> float:
        """TFLOP a second that are assumed of a machine."""
        return CPU_TFLOPS if hardware == "cpu" else self.gpu_tflops

    def memory(self, hardware: Hardware) -> int:
        """Bytes of memory that are assumed of it."""
        return 2**30 * (CPU_MEMORY if hardware == "cpu" else self.gpu_memory)


# The smallest first. `small` on a V100 of 16 GiB and `base` on an A100 of 40 GiB in TF32 are
# published times.
SIZES = (
    Size("tiny", "tiny", 0.0, 1.0, published=False),
    Size("small, 6 layers", "small", 5e7, 2.0, changes={"model.num_layers": 6}),
    Size("small", "small", 2e8, 3.3),
    Size("base", "base", 6.3e9, 30.0, 40),
    Size("large", "large", 2.6e10, 30.0, 40),
)


@dataclass(frozen=True)
class Recipe:
    """What texts up to some size allow.

    Attributes:
      up_to: Bytes of text below which it holds.
      vocab_size: Word pieces.
      size: Name of the largest model that is worth training.
      most_passes: How often a text may be repeated.
    """

    up_to: float
    vocab_size: int
    size: str
    most_passes: int

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The models that are worth training, the smallest first."""
        names = [size.name for size in SIZES]
        return SIZES[: names.index(self.size) + 1]


RECIPES = (
    Recipe(30e6, 8_000, "small, 6 layers", 200),
    Recipe(300e6, 16_000, "small", 100),
    Recipe(3e9, 30_522, "small", 50),
    Recipe(30e9, 30_522, "base", 40),
    Recipe(math.inf, 30_522, "large", 40),
)


def recipe_for(corpus_bytes: float) -> Recipe:
    """The recipe for a text of that many bytes."""
    return next(recipe for recipe in RECIPES if corpus_bytes < recipe.up_to)


def rate_for(batch: int, preset_batch: int, preset_rate: float) -> float:
    """The learning rate of a batch: with the square root of its size, as Adam's noise has it."""
    return float(f"{preset_rate * math.sqrt(batch / preset_batch):.2g}")


def warmup_for(steps: int) -> int:
    """Steps of warm-up: a tenth of the run, and never more than the 10,000 of the reference."""
    return min(10_000, steps // 10)


def every(steps: float, most: int, least: int = 1) -> int:
    """An interval within bounds: 1, 2 or 5 followed by zeros."""
    steps = min(max(steps, least), most)
    power = 10 ** int(math.log10(steps))
    return int(power * max(digit for digit in (1, 2, 5) if digit * power <= steps))


def rounded_down(number: float) -> int:
    """A number of steps with two digits before its zeros."""
    power = 10 ** max(0, len(str(int(number))) - 2)
    return int(number // power * power)
