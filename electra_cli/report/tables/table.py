"""A table as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
      title: What it shows.
      columns: Heads; that of the first column, which names the rows, may be empty.
      rows: Cells, as many in each as there are columns.
      remark: What there is to know of it; empty for nothing.
      is_numbers: Whether all but the first column are numbers, to stand below each other.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remark: str = ""
    is_numbers: bool = True


def beside(
    title: str,
    items: Sequence[T],
    name: Callable[[T], str],
    facts: Callable[[T], Mapping[str, str]],
) -> Table:
    """Makes a table of facts, a column for each item; what nothing is known of has no row.

    Args:
      title: What it shows.
      items: Such as runs.
      name: Of an item, the head of its column.
      facts: Of an item, by what they are called; an empty text for what is not known.
    """
    found = [facts(item) for item in items]
    labels = dict.fromkeys(label for each in found for label, fact in each.items() if fact)
    rows = [(label, *(each.get(label, "") or "–" for each in found)) for label in labels]
    return Table(title, ("", *(name(item) for item in items)), rows, is_numbers=False)
