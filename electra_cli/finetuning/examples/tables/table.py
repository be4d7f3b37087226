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
      names: Of all columns; None if they have none.
      width: How many columns there are.
      path: The file.
      format: What it is, for errors.

    Raises:
      DataError: There is none of a name or number, or several are.
    """
    places = []
    for name in wanted:
        number = column_number(name)
        if names is not None and name in names:
            if list(names).count(name) > 1:
                raise DataError(
                    f"{path}: more than one column is called {name!r}",
                    hint=f"take it by its number, from #1 to #{width}",
                )
            places.append(list(names).index(name))
        elif number is not None and number < width:
            places.append(number)
        else:
            raise _no_column(name, names, width, path, format)
    return places


def _no_column(
    name: str, names: Sequence[str] | None, width: int, path: Path, format: str
) -> DataError:
    numbers = f"#1 to #{width}" if width > 1 else "#1"
    if names is None:
        return DataError(
            f"{path} ({format}): no column {name!r}; it is read without a header, its columns are "
            f"{numbers}",
            hint="--text '#1' --label '#2', for example; or --set task.header=true",
        )
    near = nearest(name, names)
    hint = f"did you mean {near}? " if near else ""
    return DataError(
        f"{path} ({format}): no column {name!r}; its {counted(width, 'column')}: "
        f"{list_names(names)}",
        hint=f"{hint}--text and --label name columns; if the first row is data, "
        f"--set task.header=false, and columns are {numbers}",
    )
