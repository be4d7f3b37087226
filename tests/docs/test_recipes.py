"""The tables of docs/recipes.md say what `electra config init` writes."""

from __future__ import annotations

import re

import pytest

from electra_cli.config.recipes import SIZES, Hardware
from electra_cli.modeling.recipe_plan import RecipePlan, plan_recipe
from tests.docs.pages import DOCS

TEXTS = {"10 MB": 10**7, "50 MB": 5 * 10**7, "1 GB": 10**9, "10 GB": 10**10, "100 GB": 10**11}


def cells(heading: str) -> list[list[str]]:
    """The rows of the table of the page whose first line begins so."""
    text = (DOCS / "recipes.md").read_text("utf-8")
    table = text[text.index(heading) :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table[2:]]


def times(passes: float) -> str:
    """How often a text is seen: two digits."""
    return f"{float(f'{passes:.2g}'):g}"


def number(tokens: float) -> str:
    return f"{tokens / 1e9:g} billion" if tokens >= 1e9 else f"{tokens / 1e6:g} million"


def allowed(text: str) -> list[str]:
    """A row of the first table."""
    plan = plan_recipe(TEXTS[text], "gpu", hours=None)
    train, optimizer = plan.config.train, plan.config.optimizer
    return [
        text, number(plan.tokens), f"{plan.recipe.vocab_size:,}", plan.size.name,
        f"{train.steps:,}", f"{train.batch_size:,}", f"{optimizer.learning_rate:g}",
        f"{optimizer.warmup_steps:,}", times(plan.passes),
    ]  # fmt: skip


def in_a_day(text: str) -> list[str]:
    """A row of the second table."""

    def half(hardware: Hardware) -> list[str]:
        plan: RecipePlan = plan_recipe(TEXTS[text], hardware, hours=24)
        train = plan.config.train
        return [plan.size.name, f"{train.steps:,} × {train.batch_size}", times(plan.passes)]

    return [text, *half("cpu"), *half("gpu")]


def sizes() -> list[list[str]]:
    """The table of models."""
    changes = {size.name: "".join(f", {k}={v}" for k, v in size.changes.items()) for size in SIZES}
    return [
        [
            size.name,
            f"`{size.preset}`{changes[size.name]}",
            number(size.fewest_tokens) if size.fewest_tokens else "any",
            f"{size.gpu_tflops:g}",
            f"{size.gpu_memory} GiB",
        ]
        for size in SIZES
    ]


@pytest.mark.parametrize(
    ("heading", "rows"),
    [
        ("| text | tokens |", [allowed(text) for text in TEXTS]),
        ("| text | CPU: model |", [in_a_day(text) for text in TEXTS]),
        ("| model | preset and changes |", sizes()),
    ],
)
def test_tables(heading: str, rows: list[list[str]]) -> None:
    assert cells(heading) == rows


def test_the_shown_vocabulary_is_that_of_the_shown_text() -> None:
    text = (DOCS / "recipes.md").read_text("utf-8")
    assert "--corpus-bytes 50MB" in text
    shown = re.search(r"prepare-data texts/ --vocab-size (\d+)", text)
    assert shown
    assert int(shown[1]) == plan_recipe(5 * 10**7, "cpu", hours=24).recipe.vocab_size
