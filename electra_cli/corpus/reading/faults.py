"""What can be wrong with a single line, row or document of the input."""

from __future__ import annotations

import os
import reprlib
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from electra_cli.corpus.reading.encodings import UNKNOWN_ENCODING, in_utf8, single_byte_encoding
from electra_cli.corpus.reading.naming import ending_format
from electra_cli.errors import DataError, counted

Document = list[str]


class SkippableError(DataError):
    """Something wrong in the input that `--on-error skip` goes on behind."""


class UnreadableError(SkippableError):
    """A file, or a member of an archive, that no reader knows; it is left out then."""


class DamagedError(SkippableError):
    """A file, member or part of a table that cannot be read to its end.

    What came before is kept then.
    """


class LeftOut:
    """Files, or members of an archive, of which nothing can be read.

    Args:
      skips: Whether they are left out; else the first is an error.

    Attributes:
      unreadable: Names of those that no reader knows.
      damaged: Names of those that are damaged from their beginning.
    """

    def __init__(self, *, skips: bool) -> None:
        self._skips = skips
        self._first: dict[type[DataError], DataError] = {}
        self.unreadable: list[str] = []
        self.damaged: list[str] = []

    def add(self, name: str, error: UnreadableError | DamagedError) -> None:
        """Leaves one out.

        Raises:
          UnreadableError, DamagedError: It was not asked for.
        """
        if not self._skips:
            raise error
        self._first.setdefault(type(error), error)
        (self.damaged if isinstance(error, DamagedError) else self.unreadable).append(name)

    def check_share(self, total: int, where: str) -> None:
        """Makes sure that few are unreadable: if not, the input is not what it is taken for.

        Args:
          total: They and all others.
          where: What they were found in.

        Raises:
          DataError: They are more than 5%.
        """
        count = len(self.unreadable)
        if count > MOST_UNREADABLE * total:
            first = self._first[UnreadableError]
            raise DataError(
                f"no reader knows {count:,} of {counted(total, 'file')} in {where}, and --on-error "
                f"skip leaves out at most {MOST_UNREADABLE:.0%}; the first: {first.message}",
                hint=first.hint,
            ) from first

    def check_not_all(self) -> None:
        """Raises the first error; called where nothing else is left."""
        for error in self._first.values():
            raise error


MOST_UNREADABLE = 0.05
MOST_NAMED = 5  # of what is left out

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
    unit: Literal["line", "row", "record"] = "line"

    def as_error(self, label: str, before: int) -> SkippableError:
        """The error that ends the reading.

        Args:
          label: Where the text comes from.
          before: Lines of the same file that precede what is read.
        """
        where = f"{label}, {self.unit} {before + self.number}"
        what = with_name(self.what, label) if self.kind == "utf8" else self.what
        return SkippableError(f"{where}: {what}", hint=self.hint)


_DECOMPRESSORS = {
    ".gz": "gzip -dc",
    ".zst": "zstd -dc",
    ".xz": "xz -dc",
    ".bz2": "bzip2 -dc",
}


def with_name(command: str, label: str) -> str:
    """A command with the name of the file, if it is a file of its own, in place of FILE.

    What is compressed is decompressed first. What is a table stays one.
    """
    if not os.path.isfile(label):  # noqa: PTH113 - false, and no error, for any member's label
        return command
    if (kind := ending_format(label)) in ("csv", "tsv", "md"):
        command = command.replace("FILE > FILE.txt", f"FILE > FILE.{kind}")
    name, ending = os.path.splitext(label)  # noqa: PTH122 - the rest has to stay as it was given
    if "FILE" in command and (tool := _DECOMPRESSORS.get(ending.lower())):
        command = f"`{tool} {shlex.quote(label)} > {shlex.quote(name)}`, then {command}"
    else:
        name = label
    return command.replace("FILE", shlex.quote(name))


def describe_invalid_utf8(error: UnicodeError) -> str:
    """The fault in words, with the offending byte and what may make UTF-8 of the text."""
    if not isinstance(error, UnicodeDecodeError):
        return "invalid UTF-8 (an unpaired surrogate)"
    what = f"invalid UTF-8 (byte 0x{error.object[error.start]:02x}: {error.reason})"
    encoding = single_byte_encoding(error.object)
    if encoding is None:
        return what
    command = in_utf8(encoding)
    if encoding == UNKNOWN_ENCODING:
        return f"{what}; it is in another encoding, which `file -i FILE` tells; {command}"
    return f"{what}; it looks like {encoding}: {command}"


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


def list_names(names: Collection[str]) -> str:
    """The first names of fields or columns, and how many more there are."""
    shown = [_short.repr(name) for name in islice(names, _SHOWN)]
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return (", ".join(shown) or "none") + more


_SHOWN = 10
_short = reprlib.Repr()
_short.maxstring = 80  # a name can be as long as a line


def missing_column(
    label: str, text_field: str, columns: Collection[str], *, separator: str | None = None
) -> DataError:
    """A table without the column of text, in text with what separates its columns."""
    message = f"{label}: no column {text_field!r}; the columns are: {list_names(columns)}"
    hint = "name the column that holds the text with --text-field"
    if separator is None:
        return DataError(message, hint=hint)
    return DataError(
        f"{message}, separated by {separator!r}",
        hint=f"{hint}, or what separates the columns with --separator",
    )


def ambiguous_column(label: str, text_field: str) -> DataError:
    """A table with several columns of the name."""
    return DataError(
        f"{label}: more than one column is called {text_field!r}",
        hint="rename the others, or name the column that holds the text with --text-field",
    )
