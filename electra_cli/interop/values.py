"""Weights on their way into a model: what a source holds, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from electra_cli.config.choices import Network
from electra_cli.errors import DataError, listed
from electra_cli.interop.reference import Arrays
from electra_cli.modeling.architecture import Sizes

# The first prefix that fits says which part a variable belongs to, and which network is not whole
# without that part.
_PARTS: tuple[tuple[str, str, Network | None], ...] = (
    ("electra/embeddings/", "embeddings", None),
    ("generator/embeddings/", "generator embeddings", "generator"),
    ("discriminator/embeddings/", "discriminator embeddings", "discriminator"),
    ("generator/", "generator", "generator"),
    ("generator_ltr/", "two towers", "generator"),
    ("generator_rtl/", "two towers", "generator"),
    ("cloze_predictions/", "cloze head", "generator"),
    ("generator_predictions/", "generator head", "generator"),
    ("next_sentence/", "next sentence head", "generator"),
    ("electra/", "discriminator", "discriminator"),
    ("discriminator_predictions/", "discriminator head", "discriminator"),
)
OTHER = "other"
TOWERS = ("two towers", "cloze head")  # of Electric


def part_of(name: str) -> str:
    """The part a variable of ours belongs to; OTHER for a name that is none of ours."""
    return next((part for prefix, part, _ in _PARTS if name.startswith(prefix)), OTHER)


def network_of(name: str) -> Network | None:
    """The network that is not whole without a variable; None for what is of both or of none."""
    return next((network for prefix, _, network in _PARTS if name.startswith(prefix)), None)


def absent(path: str, part: str, network: Network) -> DataError:
    """The error for a part that is not there and may not be missing."""
    return DataError(
        f"{path} has no {part} for this model, which would begin fresh",
        hint=f"add --init-allow-missing {network}, or name a source that has it",
    )


@dataclass(frozen=True)
class Values:
    """What a source holds.

    Attributes:
      layout: What it is, in words.
      arrays: Weights by our names; weights by other names are not used.
      unused: Names, as the source has them, of what has no place in our model.
      sizes: What the source says about sizes that shapes do not.
    """

    layout: str
    arrays: Arrays
    unused: list[str] = field(default_factory=list)
    sizes: Sizes = field(default_factory=dict)


def without_foreign_head(values: Values, names: Collection[str]) -> Values:
    """What a source holds, less a masked-LM head that belongs to another encoder than a model's.

    That head predicts from a generator beside a discriminator, or from the main network itself.

    Args:
      values: What the source holds.
      names: The names of the model's variables.
    """

    def is_beside(all_names: Collection[str]) -> bool:
        return any(part_of(name) == "generator" for name in all_names)

    if is_beside(values.arrays) == is_beside(names):
        return values
    head = [name for name in values.arrays if part_of(name) == "generator head"]
    kept = {name: array for name, array in values.arrays.items() if name not in head}
    return replace(values, arrays=kept, unused=[*values.unused, *head])


def foreign_sharing(values: Values, names: Collection[str]) -> Literal["tied", "none"] | None:
    """What the generator beside a source's discriminator shares, if a model's does not.

    A generator that reads the discriminator's embeddings is another than one with tables of its
    own, even where all other variables have the same names and shapes.

    Args:
      values: What the source holds.
      names: The names of the model's variables.
    """

    def has(part: str, all_names: Collection[str]) -> bool:
        return any(part_of(name) == part for name in all_names)

    there, here = values.arrays, names
    own = "generator embeddings"
    is_beside = has("generator", there) and has("generator", here)
    if not is_beside or has(own, there) == has(own, here):
        return None
    return "none" if has(own, there) else "tied"


def without_generator(values: Values) -> Values:
    """What a source holds, less its generator."""
    kept = {n: a for n, a in values.arrays.items() if not part_of(n).startswith("generator")}
    dropped = [name for name in values.arrays if name not in kept]
    return replace(values, arrays=kept, unused=[*values.unused, *dropped])


@dataclass(frozen=True)
class Report:
    """What was loaded into a model.

    Attributes:
      path: The source as it was named.
      layout: What it was, in words.
      loaded: Variables that have the source's values.
      missing: Variables that the source does not have, which begin fresh.
      unused: What the source has besides.
    """

    path: str
    layout: str
    loaded: list[str]
    missing: list[str]
    unused: list[str]

    def parts(self) -> dict[str, tuple[int, int, int]]:
        """How many are loaded, missing and unused, by part.

        The main network of a model without a discriminator's head is no discriminator.
        """
        own = {part_of(name) for name in (*self.loaded, *self.missing)}
        shown = {} if "discriminator head" in own else {"discriminator": "encoder"}
        columns = (self.loaded, self.missing, self.unused)
        counts = {
            shown.get(part, part): tuple(
                sum(part_of(name) == part for name in names) for names in columns
            )
            for part in [*(part for _, part, _ in _PARTS), OTHER]
        }
        return {part: (a, b, c) for part, (a, b, c) in counts.items() if a or b or c}

    def missing_parts(self) -> list[str]:
        """The parts that begin fresh."""
        return [part for part, (_, missing, _) in self.parts().items() if missing]

    def check_whole(self, allow_missing: Collection[Network]) -> None:
        """Refuses what is not there although it should be.

        Args:
          allow_missing: Networks of which parts may be absent, but only as a whole.

        Raises:
          DataError: A part is incomplete, or absent without being allowed to.
        """
        for _, part, network in _PARTS:
            names = [name for name in self.missing if part_of(name) == part]
            if not names:
                continue
            if network is None or any(part_of(name) == part for name in self.loaded):
                raise DataError(
                    f"{self.path} is not whole: of its {part}, {listed(names)} "
                    f"{'is' if len(names) == 1 else 'are'} missing{self._found_instead()}",
                    hint="copy it again, or name another source",
                )
            if network not in allow_missing:
                raise absent(self.path, part, network)

    def _found_instead(self) -> str:
        """What a source has that nobody asked for: perhaps the same by another name."""
        return f"; without a place in it are {listed(self.unused)}" if self.unused else ""
