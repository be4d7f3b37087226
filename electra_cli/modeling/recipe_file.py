"""The YAML file of a plan: every value with the reason for it."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config.values import size_in_words, written
from electra_cli.errors import OutputError, counted
from electra_cli.files.atomic import atomic_write_text
from electra_cli.modeling.budget import budget_of
from electra_cli.modeling.recipe_plan import RecipePlan

# What decided the number of steps, and why.
_LIMITS = {
    "time": ("the time", "what the hours allow"),
    "text": ("the text", "more passes over this text are not expected to help"),
    "schedule": ("the preset's schedule", "the schedule of the preset"),
}


def recipe_yaml(plan: RecipePlan, *, command: str, name: str) -> str:
    """Writes a commented file that `--config` takes.

    Args:
      plan: What it says.
      command: How it was asked for.
      name: How the file is called in the commands that it shows.
    """
    reasons, sections = _reasons(plan), dict[str, list[str]]()
    for key, value in plan.changes.items():
        section, _, leaf = key.partition(".")
        lines = sections.setdefault(section, [])
        lines.append(f"  {leaf}: {_number(value)}  # {reasons[key]}")
    body = "".join(f"\n{name}:\n" + "\n".join(lines) + "\n" for name, lines in sections.items())
    head = "".join(f"# {line}".rstrip() + "\n" for line in _head(plan, command, name))
    preset = plan.size.preset
    return f"{head}\npreset: {preset}  # every other key: electra config show {preset}\n{body}"


def write_recipe(path: Path, text: str) -> None:
    """Writes the file, and never over another one.

    Raises:
      OutputError: There is something already, or no folder for it.
      OSError: It cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise OutputError(
            f"{path} is there already", hint="choose another name for --output, or move it away"
        )
    if not path.parent.is_dir():
        raise OutputError(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    atomic_write_text(path, text)


def _head(plan: RecipePlan, command: str, name: str) -> list[str]:
    config = plan.config
    flops = budget_of(config).flops_per_token * plan.positions
    rows = plan.steps * config.train.batch_size
    run = f"runs/{Path(name).stem}"
    return [
        command,
        "",
        "By the rules of docs/recipes.md, which says what they rest on. Any value may be changed.",
        "",
        f"electra prepare-data TEXTS --vocab-size {plan.recipe.vocab_size} "
        f"--sequence-length {config.data.sequence_length} --output data",
        f"electra pretrain --config {name} --data data --model-dir {run} --dry-run",
        f"electra pretrain --config {name} --data data --model-dir {run}",
        "",
        f"Text: {size_in_words(plan.corpus_bytes)}, about {_millions(plan.tokens)} tokens in "
        "English; --dry-run counts them.",
        f"Model: {plan.size.name}, {counted(rows, 'row')} of {config.data.sequence_length} tokens: "
        f"{_passes(plan)}.",
        f"Time: {_hours(plan.hours)} for {flops:.2g} FLOP, if {plan.tflops:g} TFLOP a second are "
        "computed;",
        "  a short run tells: tokens_per_second × flops_per_token of `electra pretrain --json`.",
        f"Memory: {plan.memory / 2**30:.3g} GiB; --memory takes another size.",
        *(f"{limit.capitalize()}." for limit in _limit(plan)),
    ]


def _limit(plan: RecipePlan) -> list[str]:
    """What ends the run before its time, if anything does."""
    if plan.limit == "time":
        return []
    time = "time" if plan.hours_given is None else _hours(plan.hours_given)
    return [f"{_LIMITS[plan.limit][0]} is the limit, not the {time}"]


def _hours(number: float) -> str:
    text = f"{number:,.0f}" if 1000 <= number < 1e9 else f"{number:.3g}"
    return f"{text} hour{'' if text == '1' else 's'}"


def _reasons(plan: RecipePlan) -> dict[str, str]:
    share = f"{plan.config.optimizer.warmup_steps / plan.steps:.0%} of the steps"
    return {
        "model.num_layers": "half of the preset's: more are not worth this text or time",
        "model.hidden_dropout": f"the text is seen about {counted(round(plan.passes), 'time')}",
        "model.attention_dropout": "the same",
        "optimizer.learning_rate": "the preset's, by the square root of the batch",
        "optimizer.warmup_steps": share,
        "train.steps": _LIMITS[plan.limit][1],
        "train.batch_size": "rows; the preset's, or less where steps are few",
        "train.accumulation_steps": "parts of a batch, by an estimate of the memory",
        "train.checkpoint_every": "an hour's work at most is lost",
        "train.evaluate_every": "20 times or more often",
        "train.log_every": "for curves of about 1,000 points",
    }


def in_words(plan: RecipePlan) -> str:
    """The plan in a sentence."""
    train = plan.config.train
    said = (
        f"{plan.size.name}, {counted(plan.steps, 'step')} of {counted(train.batch_size, 'row')}, "
        f"which see {_passes(plan)} in about {_hours(plan.hours)}"
    )
    return "; ".join([said, *_limit(plan)])


def _passes(plan: RecipePlan) -> str:
    if plan.passes < 1:
        return f"{plan.passes:.1%} of the text"
    return f"the text about {counted(round(plan.passes), 'time')}"


def _millions(number: float) -> str:
    power = next((power for power in (9, 6) if number >= 10**power), 0)
    return f"{number / 10**power:,.3g}" + {9: " billion", 6: " million", 0: ""}[power]


def _number(value: object) -> str:
    """0.00025 as 2.5e-4."""
    if isinstance(value, float) and value < 0.01:
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return written(value)
