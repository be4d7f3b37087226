"""Plans by the rules of the recipes: what is chosen for a text, a machine and some hours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from electra_cli.config import recipes
from electra_cli.config.load import load_config
from electra_cli.config.yaml_core import load_yaml
from electra_cli.errors import ConfigError
from electra_cli.health.facts import Facts
from electra_cli.health.monitor import Monitor
from electra_cli.modeling.budget import budget_of
from electra_cli.modeling.recipe_file import in_words, recipe_yaml
from electra_cli.modeling.recipe_plan import RecipePlan, plan_recipe


def seconds(plan: RecipePlan) -> float:
    """What the run takes, computed from the configuration alone."""
    budget = budget_of(plan.config)
    flops = budget.flops_per_token * budget.tokens_per_step * plan.config.train.steps
    return flops / (plan.tflops * 1e12)


@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
@pytest.mark.parametrize("hours", [0.1, 1, 24, 336, 5000])
@pytest.mark.parametrize("size", [1_000_000, 10**7, 5 * 10**7, 10**9, 10**10, 10**11, 10**15])
def test_every_plan_keeps_to_the_rules(hardware: recipes.Hardware, hours: float, size: int) -> None:
    plan = plan_recipe(size, hardware, hours=hours)
    config, recipe = plan.config, recipes.recipe_for(size)
    train = config.train
    assert seconds(plan) <= hours * 3600
    assert plan.hours == pytest.approx(seconds(plan) / 3600)
    assert plan.size in recipe.sizes
    assert plan.passes <= recipe.most_passes
    seen = train.steps * train.batch_size * config.data.sequence_length
    assert plan.passes == pytest.approx(seen / (size / recipes.BYTES_A_TOKEN))
    assert seen >= plan.size.fewest_tokens
    assert Monitor(Facts.of(config, None)).see({"kind": "start", "step": 0}) == []
    assert train.batch_size % train.accumulation_steps == 0
    assert budget_of(config).memory_bytes <= plan.memory
    assert train.steps >= recipes.FEWEST_STEPS
    assert train.evaluate_every <= train.steps / 20
    assert train.checkpoint_every <= train.steps / 10
    if plan.passes > recipes.REPEATED:
        assert config.model.hidden_dropout == config.model.attention_dropout == 0.1
    text = recipe_yaml(plan, command="electra config init", name="mine.yaml")
    assert max(map(len, text.splitlines())) <= 100
    assert load_yaml(text)["preset"] == plan.size.preset


@pytest.mark.parametrize(
    ("size", "hours", "chosen", "limit"),
    [
        (10**7, 0.1, "tiny", "time"),
        (10**7, None, "small, 6 layers", "text"),
        (5 * 10**7, 1, "small, 6 layers", "time"),
        (5 * 10**7, 24, "small", "text"),
        (10**9, 24, "small", "time"),
        (10**10, 24, "small", "time"),
        (10**10, 72, "base", "time"),
        (2 * 10**10, None, "base", "schedule"),
        (10**11, None, "large", "text"),
    ],
)
def test_text_and_time_choose_the_model(
    size: int, hours: float | None, chosen: str, limit: str
) -> None:
    plan = plan_recipe(size, "gpu", hours=hours)
    assert (plan.size.name, plan.limit) == (chosen, limit)
    assert plan.memory == (40 if chosen in ("base", "large") else 16) * 2**30


@pytest.mark.parametrize(
    ("size", "hours", "words"),
    [
        (10**7, 20, ""),
        (10**7, 1e9, "he text is the limit, not the 1e+09 hours"),
        (2 * 10**10, 5000, "he preset's schedule is the limit, not the 5,000 hours"),
        (10**7, None, "he text is the limit, not the time"),
    ],
)
def test_time_that_is_not_needed_is_said(size: int, hours: float | None, words: str) -> None:
    plan = plan_recipe(size, "gpu" if size > 10**9 else "cpu", hours=hours)
    text = recipe_yaml(plan, command="electra config init", name="mine.yaml")
    assert "GiB; --memory takes another size" in text
    for said in (text, in_words(plan)):
        assert words in said
        assert ("is the limit" in said) == bool(words)


def test_plans_are_told_by_the_rule_for_plurals() -> None:
    plan = plan_recipe(4 * 10**9, "cpu", hours=100)
    once = replace(plan, passes=1.0, hours=1.0)
    assert in_words(once).endswith("which see the text about 1 time in about 1 hour")


def test_a_smaller_batch_has_a_lower_rate() -> None:
    preset = load_config(preset="small", environment={}).config
    short, long = (plan_recipe(10**9, "cpu", hours=hours).config for hours in (24, 500))
    assert (long.train.batch_size, long.optimizer.learning_rate) == (128, 5e-4)
    assert (short.train.batch_size, short.optimizer.learning_rate) == (32, 2.5e-4)
    assert preset.train.batch_size == 128
    assert long.optimizer.warmup_steps == 10_000
    assert short.optimizer.warmup_steps == short.train.steps // 10


def test_speed_and_memory_of_a_machine_can_be_given() -> None:
    slow = plan_recipe(10**10, "gpu", hours=24)
    fast = plan_recipe(10**10, "gpu", hours=24, tflops=100, memory=80 * 10**9)
    assert (slow.size.name, fast.size.name) == ("small", "base")
    assert fast.config.train.accumulation_steps == 4
    assert seconds(fast) <= 24 * 3600
    # Weights and slots of a large model alone take 5.7 GB.
    assert plan_recipe(10**12, "gpu", tflops=1e5, memory=4 * 10**9).size.name == "base"


def test_too_little_time_says_how_much_is_enough() -> None:
    with pytest.raises(ConfigError) as error:
        plan_recipe(10**9, "cpu", hours=0.001)
    hours = float(error.value.hint.removeprefix("write --hours "))
    assert plan_recipe(10**9, "cpu", hours=hours).config.train.steps >= recipes.FEWEST_STEPS


@pytest.mark.parametrize(
    ("steps", "most", "interval"),
    [(0.3, 100, 1), (7, 100, 5), (19.9, 100, 10), (249, 100, 100), (2500, 10_000, 2000)],
)
def test_intervals_are_round(steps: float, most: int, interval: int) -> None:
    assert recipes.every(steps, most) == interval
