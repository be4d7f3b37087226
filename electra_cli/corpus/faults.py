"""What can be wrong with a single line, row or document of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra_cli.errors import DataError

Document = list[str]

_HINT = "correct it, or leave such documents out with --on-error skip"


@dataclass(frozen=True)
class Fault:
    """Something wrong in the input that `--on-error skip` leaves out and counts.

    Attributes:
      kind: Which counter it belongs to.
      number: Of the line or row, from 1 at the beginning of what is read.
      what: What is wrong.
      hint: What to do about it.
      unit: What the number counts.
    """

    kind: Literal["json", "row", "utf8", "size"]
    number: int
    what: str
    hint: str = _HINT
    unit: Literal["line", "row"] = "line"

    def as_error(self, label: str, before: int) -> DataError:
        """The error that ends the reading.

        Args:
          label: Where the text comes from.
          before: Lines of the same file that precede what is read.
        """
        where = f"{label}, {self.unit} {before + self.number}"
        return DataError(f"{where}: {self.what}", hint=self.hint)


def describe_invalid_utf8(error: UnicodeError) -> str:
    """The fault in words, with the offending byte."""
    if isinstance(error, UnicodeDecodeError):
        return f"invalid UTF-8 (byte 0x{error.object[error.start]:02x}: {error.reason})"
    return "invalid UTF-8 (an unpaired surrogate)"


def too_long(number: int, *, unit: Literal["line", "row"] = "line") -> Fault:
    """A line, row or cell that would have to be held in memory as a whole."""
    return Fault(
        "size",
        number,
        "too long to be held in memory",
        hint="raise --max-document-bytes, four times which a line of JSON, a row of CSV or a cell "
        "may have; or leave such documents out with --on-error skip",
        unit=unit,
    )


def missing_column(label: str, text_field: str, columns: list[str]) -> DataError:
    """A table without the column of text."""
    names = ", ".join(map(repr, columns)) or "none"
    return DataError(
        f"{label}: no column {text_field!r}; the columns are: {names}",
        hint="name the column that holds the text with --text-field",
    )


def ambiguous_column(label: str, text_field: str) -> DataError:
    """A table with several columns of the name."""
    return DataError(
        f"{label}: more than one column is called {text_field!r}",
        hint="rename the others, or name the column that holds the text with --text-field",
    )
