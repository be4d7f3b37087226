"""From the rows of a table to examples of texts: what their cells say."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from electra_cli.config.finetune import TaskConfig
from electra_cli.config.nearest import nearest
from electra_cli.corpus.reading.containers.kinds import JSON_LINES
from electra_cli.corpus.reading.faults import with_name
from electra_cli.corpus.reading.naming import ending_format, is_json
from electra_cli.corpus.reading.texts import BOM
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.content import as_text, faulty
from electra_cli.finetuning.examples.example import Split, TextExample
from electra_cli.finetuning.examples.tables.delimited import read_delimited
from electra_cli.finetuning.examples.tables.records import read_json_lines, read_parquet
from electra_cli.finetuning.examples.tables.table import Table

_PARQUET = b"PAR1"
# What GLUE's task without headers has to predict begins with one.
_COLA_TEST = tuple(b"index\tsentence" + end for end in (b"\n", b"\r\n"))
_SCALARS = (str, bool, int, float, decimal.Decimal, datetime.date)


class _UnreadableError(ValueError):
    """A cell that does not say what it should."""


def read_texts(
    content: bytes,
    path: Path,
    task: TaskConfig,
    *,
    name: str,
    labelled: bool,
    skips_short_rows: bool = False,
) -> Split:
    """The examples of a table.

    Args:
      content: The whole file.
      path: The file.
      task: The columns, and whether the label is a number.
      name: Of the split.
      labelled: Whether labels are read.
      skips_short_rows: See `read_delimited`.

    Raises:
      DataError: It is no table, has no such columns, or cells cannot be read.
    """
    if not labelled and not task.header and content.removeprefix(BOM).startswith(_COLA_TEST):
        task = task.model_copy(update={"header": True, "text": "sentence"})
    wanted = list(dict.fromkeys(task.texts + ((task.label,) if labelled else ())))
    if content.startswith(_PARQUET):
        table = read_parquet(content, path, wanted)
    else:
        text = as_text(content, path)
        begin = text[:1024].lstrip()[:1]
        if begin == "[" and (is_json(path.name) or ending_format(path.name) == "jsonl"):
            raise DataError(
                f"{path} is JSON in one piece; an object on each line is needed",
                hint=with_name(JSON_LINES, str(path)),
            )
        if begin == "{":
            table = read_json_lines(text, path, wanted)
        else:
            table = read_delimited(text, path, task, wanted, skips_short_rows=skips_short_rows)

    texts = [_cells(table, path, column, _text, "text") for column in task.texts]
    where = [f"{path}, {table.unit} {number}" for number in table.numbers]
    labels: list[Any] = [None] * len(where)
    if labelled and task.kind == "regression":
        labels = _cells(table, path, task.label, number_of, "number")
    elif labelled:
        labels = _cells(table, path, task.label, _label_reader(task), "label")
    examples = tuple(
        TextExample(pair, label, place)
        for pair, label, place in zip(zip(*texts, strict=True), labels, where, strict=True)
    )
    columns = ", ".join(f"{column} ({table.types[column]})" for column in wanted)
    found = (("format", table.format), ("columns", columns))
    return Split(name, path, examples, found, table.notes)


def label_text(cell: Any) -> str:
    """The label that a cell stands for: 1, 1.0 and "1" are one, and so are true and "true".

    Raises:
      ValueError: It is none.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        raise _UnreadableError("null")
    if not isinstance(cell, _SCALARS):
        raise _UnreadableError(f"a {type(cell).__name__}")
    if not (label := str(cell).strip()):
        raise _UnreadableError("empty")
    return label


def number_of(cell: Any) -> float:
    """The number of a regression.

    Raises:
      ValueError: It is none, or not finite.
    """
    if cell is None:
        raise _UnreadableError("null")
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | decimal.Decimal):
        raise _UnreadableError(repr(cell)[:60])
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or "_" in str(cell):
        raise _UnreadableError(repr(str(cell)[:60]))
    return number


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None:
        raise _UnreadableError("null")
    if not isinstance(cell, _SCALARS):
        raise _UnreadableError(f"a {type(cell).__name__}")
    return str(cell)


def _label_reader(task: TaskConfig) -> Callable[[Any], str]:
    """Reads a label, which has to be one of the task's if it names them."""
    names = task.label_names
    if names is None:
        return label_text

    def reader(cell: Any) -> str:
        label = label_text(cell)
        if label not in names:
            near = nearest(label, names)
            raise _UnreadableError(repr(label) + (f", meant {near!r}?" if near else ""))
        return label

    return reader


def _cells(
    table: Table, path: Path, column: str, read: Callable[[Any], Any], what: str
) -> list[Any]:
    """What the cells of a column say.

    Raises:
      DataError: Some cannot be read.
    """
    faults: list[str] = []
    values = []
    for number, cell in zip(table.numbers, table.cells[column], strict=True):
        try:
            values.append(read(cell))
        except _UnreadableError as error:
            faults.append(f"{table.unit} {number:,} ({error})")
    if faults:
        raise faulty(path, what, f"of column {column!r} cannot be read", faults, hint=_HINTS[what])
    return values


_HINTS = {
    "text": "fill them in, or take the rows out",
    "number": "a regression needs finite numbers, with a point: mend them, or --task "
    "classification if they are names",
    "label": "mend them or take the rows out; labels are those of task.labels if it is set, and "
    "none is empty",
}
