"""What separates the fields of a table in text, and whether they are quoted."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Literal

from electra_cli.errors import ConfigError

Quoting = Literal["auto", "none", "csv"]

_COMMON = (",", ";", "\t", "|")
_NAMES = {"tab": "\t", "\\t": "\t"}
# What a spreadsheet writes before the header for others of its kind.
_STATED = re.compile('"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_QUOTED_NAME = re.compile('(?:^|\t)"[^\t]*"(?:[\t\r\n]|$)')


@dataclass(frozen=True)
class TableLayout:
    """What is known of tables in text before their first row is seen.

    Attributes:
      separator: Of fields, also `tab`; None for what the header shows.
      quoting: Whether a field may stand in quotes, as in CSV; `auto` says no of tabs.

    Raises:
      ConfigError: No separator can be that.
    """

    separator: str | None = None
    quoting: Quoting = "auto"

    def __post_init__(self) -> None:
        character = self.character
        if character is None:
            return
        if len(character) != 1 or not character.isascii() or character in '"\r\n':
            raise ConfigError(
                f"--separator is {self.separator!r}; it must be one ASCII character, and neither "
                "a quote nor a line end",
                hint="as in --separator ';' or --separator tab; JSON lines need none",
            )

    @property
    def character(self) -> str | None:
        """The separator as it stands in the file."""
        return None if self.separator is None else _NAMES.get(self.separator, self.separator)


@dataclass(frozen=True)
class Dialect:
    """How the rows of a table are written.

    Attributes:
      separator: Of fields; one ASCII character.
      quoted: Whether a quote at the beginning of a field belongs to the syntax.
    """

    separator: str
    quoted: bool

    def fields(self, line: str) -> list[str]:
        """The fields of a line."""
        rows = csv.reader([line], delimiter=self.separator, quoting=self.quoting)
        return next(rows, [])

    @property
    def quoting(self) -> Literal[0, 3]:
        """The same for the csv module."""
        return csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE


def stated_separator(line: str) -> str | None:
    """The separator that a first line as `sep=;` states."""
    found = _STATED.fullmatch(line)
    return found[1] if found else None


def find_dialect(header: str, text_field: str, separators: list[str], quoting: Quoting) -> Dialect:
    """The dialect in which a header has the column of text.

    That of the first separator is taken if it has, and that of another if no third one has. If
    none has, it is the dialect that parts the header most, for a message.

    Args:
      header: The line.
      text_field: The column.
      separators: That can be, the usual one first.
      quoting: Whether fields may stand in quotes.
    """
    dialects = [Dialect(s, _is_quoted(header, s, quoting)) for s in separators]
    columns = {dialect: dialect.fields(header) for dialect in dialects}
    found = [dialect for dialect in dialects if text_field in columns[dialect]]
    if not found:
        return max(dialects, key=lambda dialect: len(columns[dialect]))
    return found[0] if found[0] == dialects[0] or len(found) == 1 else dialects[0]


def possible_separators(usual: str, given: str | None) -> list[str]:
    """The separators that a table may have, the usual one first; the given one alone."""
    return [given] if given else list(dict.fromkeys([usual, *_COMMON]))


def _is_quoted(header: str, separator: str, quoting: Quoting) -> bool:
    if quoting != "auto" or separator != "\t":
        return quoting != "none"
    # Whoever quotes the names of the columns, as R does, quotes the texts.
    return _QUOTED_NAME.search(header) is not None
