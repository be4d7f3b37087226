"""A configuration for a text, a machine and some hours, by the rules of config/recipes.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from electra_cli.config import recipes
from electra_cli.config.load import load_config
from electra_cli.config.recipes import Hardware, Recipe, Size
from electra_cli.config.schema import Config
from electra_cli.config.values import size_in_words
from electra_cli.errors import ConfigError
from electra_cli.modeling.budget import budget_of


@dataclass(frozen=True)
class RecipePlan:
    """A configuration and why it is so.

    Attributes:
      corpus_bytes: Bytes of text.
      tokens: About as many tokens.
      recipe: What the text allows.
      size: The model that was chosen.
      config: The whole configuration.
      steps: Its updates.
      changes: The values that a file has to set beside its preset, by key.
      passes: How often the text is seen.
      tflops: TFLOP a second that are assumed.
      memory: Bytes of the device's memory that are assumed.
      hours: What the run takes at that speed.
      hours_given: What there was for it; None for no limit.
      limit: What decided the number of steps: "time", "text" or "schedule".
    """

    corpus_bytes: int
    tokens: float
    recipe: Recipe
    size: Size
    config: Config
    steps: int
    changes: Mapping[str, Any]
    passes: float
    tflops: float
    memory: int
    hours: float
    hours_given: float | None
    limit: str

    @property
    def positions(self) -> int:
        """Tokens that the run sees, padding included."""
        return _positions(self.config, self.steps)


def plan_recipe(
    corpus_bytes: int,
    hardware: Hardware,
    *,
    hours: float | None = None,
    tflops: float | None = None,
    memory: int | None = None,
) -> RecipePlan:
    """Chooses model, vocabulary, steps, batch, rates and intervals.

    Args:
      corpus_bytes: Bytes of text.
      hardware: What it is trained on.
      hours: Time there is; None for no limit.
      tflops: TFLOP a second that the machine is known to reach; None for what the rules assume.
      memory: Bytes of the device's memory; None for what the rules assume.

    Raises:
      ConfigError: Text, time or memory are too little for anything, or a number makes no sense.
    """
    _check(corpus_bytes, hours, tflops)
    recipe = recipes.recipe_for(corpus_bytes)
    plans = [
        _plan(
            corpus_bytes,
            recipe,
            size,
            tflops or size.tflops(hardware),
            hours,
            memory or size.memory(hardware),
        )
        for size in recipe.sizes
    ]
    fitting = [plan for plan in plans if budget_of(plan.config).memory_bytes <= plan.memory]
    if not fitting:
        raise ConfigError(
            f"--memory: {size_in_words(plans[0].memory)}: too little for a single row of any model",
            hint="write --memory 8GiB",
        )
    worth = [plan for plan in fitting if plan.positions >= plan.size.fewest_tokens]
    chosen = worth[-1]
    if chosen.steps < recipes.FEWEST_STEPS:
        needed = chosen.hours * recipes.FEWEST_STEPS / chosen.steps
        raise ConfigError(
            f"--hours {hours or math.inf:g}: in them {chosen.tflops:g} TFLOP a second compute "
            f"fewer than {recipes.FEWEST_STEPS} steps of {chosen.size.name}",
            hint=f"write --hours {1.1 * needed:.2g}",
        )
    return chosen


def _check(corpus_bytes: int, hours: float | None, tflops: float | None) -> None:
    if not recipes.SMALLEST <= corpus_bytes <= recipes.LARGEST:
        few = corpus_bytes < recipes.SMALLEST
        raise ConfigError(
            f"--corpus-bytes: {size_in_words(corpus_bytes)}: too "
            + ("little text to train a model" if few else "much to be meant"),
            hint="sizes have units: 50MB, 2.5GB; with less than a megabyte begin from published "
            "weights: electra pretrain --init-from FOLDER"
            if few
            else "sizes have units: 50MB, 2.5GB",
        )
    for option, value, most in (("--hours", hours, math.inf), ("--tflops", tflops, 1e6)):
        if value is not None and not (0 < value <= most and math.isfinite(value)):
            wanted = "a number above 0" + (f", at most {most:g}" if math.isfinite(most) else "")
            raise ConfigError(
                f"{option} {value:g}: expected {wanted}", hint=f"write {option} 24, for example"
            )


def _plan(
    corpus_bytes: int,
    recipe: Recipe,
    size: Size,
    tflops: float,
    hours: float | None,
    memory: int,
) -> RecipePlan:
    tokens = corpus_bytes / recipes.BYTES_A_TOKEN
    preset = load_config(preset=size.preset, environment={}).config
    config = preset.replaced({"model.vocab_size": recipe.vocab_size, **size.changes})
    an_hour = tflops * 1e12 * 3600 / budget_of(config).flops_per_token
    positions = {
        "time": math.inf if hours is None else an_hour * hours,
        "text": recipe.most_passes * tokens,
        "schedule": float(_positions(preset, preset.train.steps or 0))
        if size.published
        else math.inf,
    }
    limit = min(positions, key=lambda name: positions[name])
    rows = positions[limit] / preset.data.sequence_length
    batch = _batch(rows, preset.train.batch_size)
    steps = max(1, recipes.rounded_down(rows / batch))
    values = {
        **size.changes,
        "optimizer.learning_rate": recipes.rate_for(
            batch, preset.train.batch_size, preset.optimizer.learning_rate
        ),
        "optimizer.warmup_steps": recipes.warmup_for(steps),
        "train.steps": steps,
        "train.batch_size": batch,
        "train.accumulation_steps": 1,
        "train.checkpoint_every": recipes.every(
            min(steps / 10, an_hour / (batch * preset.data.sequence_length)), 1000
        ),
        "train.evaluate_every": recipes.every(steps / 20, 10_000),
        "train.log_every": recipes.every(steps / 1000, 100, least=10),
    }
    if positions[limit] > recipes.REPEATED * tokens:
        values |= {"model.hidden_dropout": 0.1, "model.attention_dropout": 0.1}
    values["train.accumulation_steps"] = _parts(config.replaced(values), memory)
    config = config.replaced(values)
    seen = _positions(config, steps)
    return RecipePlan(
        corpus_bytes=corpus_bytes,
        tokens=tokens,
        recipe=recipe,
        size=size,
        config=config,
        steps=steps,
        changes=values,
        passes=seen / tokens,
        tflops=tflops,
        memory=memory,
        hours=seen / an_hour,
        hours_given=hours,
        limit=limit,
    )


def _positions(config: Config, steps: int) -> int:
    """Tokens that so many updates see, padding included."""
    return steps * config.train.batch_size * config.data.sequence_length


def _batch(rows: float, batch: int) -> int:
    """Rows of an update: as the preset has them, or down to a quarter where updates are few."""
    smallest = max(recipes.FEWEST_ROWS, batch // 4)
    while rows / batch < recipes.ENOUGH_STEPS and batch // 2 >= smallest:
        batch //= 2
    return batch


def _parts(config: Config, memory: int) -> int:
    """Parts of a batch, so that one of them fits into the memory."""
    parts = 1
    while parts < config.train.batch_size:
        budget = budget_of(config.replaced({"train.accumulation_steps": parts}))
        if budget.memory_bytes <= memory:
            break
        parts *= 2
    return parts
