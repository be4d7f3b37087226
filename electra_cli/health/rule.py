"""What every rule of health has: it sees one line after the other, and says what each shows.

A rule is a fold: what it keeps has a constant size, and a line takes constant time, so that a rule
says live what it says of the whole history later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

if TYPE_CHECKING:
    from electra_cli.health.facts import Facts


Line = Mapping[str, Any]

# No number of a run is farther from 0, and what is nearer is 0: squares and quotients of the rest
# are finite.
_LEAST, _GREATEST = 1e-100, 1e100


class Sign(NamedTuple):
    """What a line shows.

    Attributes:
      state: Between lies what neither begins a finding nor ends one.
      text: The numbers.
      since: The step from which on it shows that; None for the line's own.
    """

    state: Literal["wrong", "between", "fine"]
    text: str
    since: int | None = None


class Rule(ABC):
    """One kind of finding.

    Attributes:
      name: Of the finding, in words joined by hyphens.
      title: One line that says it.
      meaning: What it says about a run.
      advice: What to try.
      kinds: Of the lines that it wants to see.
      begins_after: Signs in a row that are wrong before a finding begins.
      ends_after: Signs in a row that are fine before it ends.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    meaning: ClassVar[str]
    advice: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ("train",)
    begins_after: ClassVar[int] = 3
    ends_after: ClassVar[int] = 3

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @classmethod
    def applies(cls, facts: Facts) -> bool:
        """Whether a run can have this finding."""
        del facts
        return True

    @abstractmethod
    def see(self, line: Line) -> Sign | None:
        """What a line shows; None if nothing is known yet."""


def number(line: Line, name: str) -> float | None:
    """A value of a line; None if it is not there, or is no number that a run can have."""
    value = line.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not abs(value) < _GREATEST:  # nor NaN
        return None
    return float(value) if abs(value) > _LEAST else 0.0


def above(value: float, begins: float, ends: float, text: str) -> Sign:
    """Wrong from one limit on, and fine again only below another one.

    Args:
      value: What is measured.
      begins: It is wrong at this or above.
      ends: It is fine below this; at most `begins`.
      text: The numbers.
    """
    if value >= begins:
        return Sign("wrong", text)
    return Sign("fine" if value < ends else "between", text)


def below(value: float, begins: float, ends: float, text: str) -> Sign:
    """The same of what is wrong when it is low: at `begins` or below, and fine above `ends`."""
    return above(-value, -begins, -ends, text)


class Spans:
    """Means over lines in a row: single batches are noisy.

    Args:
      lines: The fewest lines of a mean.
      steps: The fewest steps from its first line to its last.
    """

    def __init__(self, lines: int = 10, steps: int = 50) -> None:
        self._lines, self._steps = lines, steps
        self._count, self.first = 0, 0
        self._sums: list[float] = []

    def add(self, step: int, *values: float) -> list[float] | None:
        """Adds a line; the means when so many are together, then anew."""
        if self._count == 0:
            self.first, self._sums = step, [0.0] * len(values)
        self._count += 1
        self._sums = [total + value for total, value in zip(self._sums, values, strict=True)]
        if self._count < self._lines or step - self.first < self._steps:
            return None
        means = [total / self._count for total in self._sums]
        self._count = 0
        return means
