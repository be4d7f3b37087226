"""JSON lines and Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from electra_cli.corpus.reading.containers.kinds import JSON_LINES
from electra_cli.corpus.reading.faults import with_name
from electra_cli.corpus.reading.texts import parsed_json
from electra_cli.errors import DataError
from electra_cli.finetuning.examples.content import faulty
from electra_cli.finetuning.examples.tables.table import Table, places_of

_TYPES = {
    str: "text",
    bool: "true or false",
    int: "integer",
    float: "number",
    list: "list",
    dict: "object",
}


def read_json_lines(text: str, path: Path, wanted: Sequence[str]) -> Table:
    """Some fields of JSON lines; what a line does not have is None.

    Args:
      text: The whole file.
      path: The file.
      wanted: The fields.

    Raises:
      DataError: Lines are no JSON objects, or none has such a field.
    """
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parsed_json(line)
            if not isinstance(record, dict):
                raise ValueError(f"{_TYPES.get(type(record), 'null')}, no object")
            if "\\u" in line:  # an unpaired surrogate can be escaped, but is no text
                json.dumps(record, ensure_ascii=False).encode()
        except UnicodeError:
            faults.append(f"line {number:,} (an unpaired surrogate)")
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number:,} ({error})")
        else:
            records.append(record)
            numbers.append(number)
    if faults:
        hint = 'write an object on each line, such as {"text": "good", "label": "yes"}'
        if faults[0].startswith("line 1 "):  # an object of several lines
            hint = with_name(JSON_LINES, str(path))
        raise faulty(path, "line", "cannot be read as a JSON object", faults, hint=hint)
    names = list(dict.fromkeys(name for record in records for name in record))
    places = places_of(wanted, names, len(names), path, "JSON lines")
    cells = {
        wish: [record.get(names[place]) for record in records]
        for wish, place in zip(wanted, places, strict=True)
    }
    types = {wish: _types(column) for wish, column in cells.items()}
    return Table("JSON lines", cells, types, numbers, "line")


def read_parquet(content: bytes, path: Path, wanted: Sequence[str]) -> Table:
    """Some columns of Parquet.

    Args:
      content: The whole file.
      path: The file.
      wanted: The columns.

    Raises:
      DataError: It is damaged, or has no such column.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
            schema = file.schema_arrow
            places = places_of(wanted, schema.names, len(schema.names), path, "Parquet")
            names = [schema.names[place] for place in places]
            table = file.read(columns=names)
            cells = {
                wish: table.column(name).to_pylist()
                for wish, name in zip(wanted, names, strict=True)
            }
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        what = "text that is no UTF-8" if isinstance(error, UnicodeError) else "damaged Parquet"
        raise DataError(
            f"{path}: {what} ({str(error).strip().splitlines()[0]})",
            hint="make or fetch the file again",
        ) from None
    types = {}
    for wish, place in zip(wanted, places, strict=True):
        kind = schema.field(place).type
        types[wish] = str(kind.value_type if pyarrow.types.is_dictionary(kind) else kind)
    return Table("Parquet", cells, types, range(1, table.num_rows + 1), "row")


def _types(column: Sequence[Any]) -> str:
    return ", ".join(sorted({_TYPES.get(type(cell), "null") for cell in column}))
