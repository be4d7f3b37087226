"""Some columns of a table, whatever file they came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from electra_cli.config.nearest import nearest
from electra_cli.corpus.reading.faults import list_names
from electra_cli.errors import DataError, counted

_NUMBER = re.compile(r"#([1-9]\d*)")


@dataclass(frozen=True)
class Table:
    """Columns of one length.

    Attributes:
      format: What the file is, for people.
      cells: By the name of the column, each as its format has it.
      types: By the name of the column, for people.
      numbers: Of the rows, as people find them.
      unit: What the numbers count.
      notes: What was passed over, with numbers.
    """

    format: str
    cells: Mapping[str, Sequence[Any]]
    types: Mapping[str, str]
    numbers: Sequence[int]
    unit: Literal["line", "row"]
    notes: tuple[str, ...] = ()


def column_number(name: str) -> int | None:
    """Which column a name such as #2 stands for, from 0; None if it is a name proper."""
    found = _NUMBER.fullmatch(name)
    return int(found[1]) - 1 if found else None


def places_of(
    wanted: Sequence[str], names: Sequence[str] | None, width: int, path: Path, format: str
) -> list[int]:
    """Where columns are.

    Args:
      wanted: Their names, or numbers such as #2.
      names: Of all columns; None if they have none. White space around them does not count.
      width: How many columns there are.
      path: The file.
      format: What it is, for errors.

    Raises:
      DataError: There is none of a name or number, or several are.
    """
    known = [name.strip() for name in names or ()]
    places = []
    for name in wanted:
        number = column_number(name)
        if known.count(name) > 1:
            raise DataError(
                f"{path}: more than one column is called {name!r}",
                hint=f"take it by its number, from #1 to #{width}",
            )
        if name in known:
            places.append(known.index(name))
        elif number is not None and number < width:
            places.append(number)
        elif names is None:
            raise DataError(
                f"{path} ({format}): no column {name!r}; it is read without a header, and has "
                f"{counted(width, 'column')}",
                hint="--text '#1' --label '#2', for example; or --set task.header=true",
            )
        else:
            near = nearest(name, known)
            hint = f"did you mean {near}? " if near else ""
            raise DataError(
                f"{path} ({format}): no column {name!r}; its {counted(width, 'column')}: "
                f"{list_names(known)}",
                hint=f"{hint}--text and --label name columns, or say the place: '#1' is the first; "
                "if the first row of CSV or TSV is data, --set task.header=false",
            )
    return places
