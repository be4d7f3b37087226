"""Recipes as a file of YAML has them, and the settings that one of them comes to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from electra_cli.config import yaml_core
from electra_cli.config.load import load_config, parse_set
from electra_cli.config.schema import Config
from electra_cli.config.values import first_fault
from electra_cli.corpus.shards.kinds import Packing
from electra_cli.errors import ElectraError

# What a value of `set` may hold: {steps:0.1} and {rows:0.1}, shares of the run's updates and of
# their rows; {first}, the run that goes before.
_SHARE = re.compile(r"\{(steps|rows):(\d*\.?\d+)\}")
_FIRST = "{first}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class First(_Part):
    """A run that goes before, such as that of a generator to be frozen.

    Attributes:
      share: Of the recipe's budget that it takes.
    """

    share: float = Field(gt=0, lt=1)


class Recipe(_Part):
    """What a recipe has other than all of them.

    Attributes:
      packing: How its data is prepared; None as that of all.
      first: A run that goes before.
      steps: Updates, whatever the budget is, such as the fewest there can be; None for what it
        pays for.
    """

    packing: Packing | None = None
    first: First | None = None
    steps: int | None = Field(default=None, ge=1)


class Data(BaseModel):
    """How a text is prepared.

    Attributes:
      vocab_size: Of the vocabulary that is trained on it, and all packings share.
      sequence_length: Tokens of a row.
      packing: Of recipes that name no other; the held-out figures of all are of such rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: int = 8000
    sequence_length: int = 128
    packing: Packing = "reference"


class Book(_Part):
    """A file of recipes.

    Attributes:
      preset: Of all that name no other.
      set: Keys of all recipes.
      data: How a text is prepared.
      reference: What the others are compared with.
      downstream: Options of `electra finetune` by the name of a task; {labelled} stands for the
        folder of labelled data.
      recipes: By name.
    """

    preset: str
    data: Data = Data()
    reference: str
    downstream: dict[str, str] = Field(default_factory=dict)
    recipes: dict[str, Recipe]

    def packing(self, name: str) -> Packing:
        """How the data of a recipe is prepared."""
        return self.recipes[name].packing or self.data.packing

    def preset_of(self, name: str, *, first: bool = False) -> str:
        """The preset of a recipe, or of the run that goes before."""
        return self._part(name, first).preset or self.recipes[name].preset or str(self.preset)

    def _part(self, name: str, first: bool) -> _Part:
        recipe = self.recipes[name]
        if not first:
            return recipe
        assert recipe.first is not None
        return recipe.first

    def settings(
        self, name: str, steps: int, *, first: bool = False, weights: Path | None = None
    ) -> dict[str, str]:
        """The keys of a run and their values, as `--set` takes them.

        Args:
          name: Of the recipe.
          steps: Updates of the run.
          first: The run that goes before is meant.
          weights: The folder of that run, where it is not.
        """
        template = {**self.set, **self._part(name, first).set}
        found = {key: _text(value) for key, value in template.items()} | {"train.steps": str(steps)}
        plain = {k: v for k, v in found.items() if "{" not in v}
        batch = config_of(self.preset_of(name, first=first), plain).train.batch_size
        counts = {"steps": steps, "rows": steps * batch}

        def filled(match: re.Match[str]) -> str:
            return str(max(1, round(float(match[2]) * counts[match[1]])))

        return {
            key: _SHARE.sub(filled, value).replace(_FIRST, str(weights))
            for key, value in found.items()
        }


def read_book(path: Path) -> Book:
    """Reads a file of recipes.

    Raises:
      ValueError: It is none, or a recipe cannot be trained or measured.
    """
    try:
        book = Book.model_validate(yaml_core.load_yaml(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from None
    except ValueError as error:  # of YAML
        raise ValueError(f"{path}: {error}") from None
    if book.reference not in book.recipes:
        raise ValueError(f"{path}: reference {book.reference} is none of {', '.join(book.recipes)}")
    for name in (*book.recipes, *book.downstream):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"{path}: {name!r} is no name for files: letters, digits, ., _ and -")
    for name, recipe in book.recipes.items():
        for first in (False, True)[: 1 + (recipe.first is not None)]:
            with faults_of(f"{path}: recipe {name}"):
                settings = book.settings(name, 1000, first=first, weights=Path("first"))
                config = config_of(book.preset_of(name, first=first), settings)
            packings = {book.packing(name), book.data.packing}
            if config.model.document_attention and packings != {"full"}:
                raise ValueError(
                    f"{path}: recipe {name} attends within documents, which only rows of packing "
                    "full tell: it needs packing: full, in `data` too, by whose held-out rows all "
                    "recipes are measured"
                )
    return book


def config_of(preset: str, settings: Mapping[str, str]) -> Config:
    """The configuration that `electra pretrain` makes of these.

    Raises:
      ConfigError: There is no such key, or values contradict each other.
    """
    overrides = [parse_set(f"{key}={value}") for key, value in settings.items()]
    return load_config(preset=preset, environment={}, overrides=overrides).config


def finetune_options(text: str, labelled: Path | None) -> list[str]:
    """The options of a task, with the folder of labelled data in its place.

    Raises:
      ValueError: A quotation mark is open.
    """
    return shlex.split(text.replace("{labelled}", shlex.quote(str(labelled))))


@contextmanager
def faults_of(what: str) -> Iterator[None]:
    """Names in an error what it is of.

    Raises:
      ValueError: In the place of any error of ours.
    """
    try:
        yield
    except ElectraError as error:
        raise ValueError(f"{what}: {error.message}; {error.hint}") from error
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def most_steps(cost: Callable[[int], float], budget: float) -> int:
    """The most updates that cost no more than a budget; at least one.

    Args:
      cost: What so many updates cost, which rises with them.
      budget: In the same unit.
    """
    high = 2
    while cost(high) <= budget:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    return low


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
