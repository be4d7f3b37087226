"""Documents out of plain text, Markdown and JSON lines.

A document is a list of stripped, non-blank lines. In text a blank line separates documents, unless
each file is one, as one of Markdown is, and of JSON each line is one, whose text's own lines are
the document's lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Literal

from electra_cli.corpus.reading.cleaning import (
    MOST_LINES,
    WINDOW,
    place_to_cut,
    short_lines,
    without_leading_space,
)
from electra_cli.corpus.reading.faults import (
    Document,
    Fault,
    describe_invalid_utf8,
    list_names,
    too_long,
)
from electra_cli.corpus.reading.universal_lines import LINE_ENDS, UniversalLines

Documents = Literal["blank-line", "file"]  # what ends a document of plain text

_LINE = re.compile("[^\n]+")

BOM = b"\xef\xbb\xbf"


class Lines:
    """The lines of a stream as bytes, ended by any of \\n, \\r\\n and \\r.

    Args:
      stream: At the beginning of a line.
      at_beginning: Of the file, where a byte order mark may be.
      limit: Bytes to read at most, a line in full; None for all.
      longest: Bytes of a line that is held as a whole.
      cuts: Whether a longer line is cut, by the rule of `short_lines`, and comes as several; else
        None comes.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        at_beginning: bool,
        limit: int | None,
        longest: int = 2**30,
        cuts: bool = False,
    ) -> None:
        # What is cut is told apart below.
        self._readline: Callable[[int], bytes] = (
            stream.readline if cuts else UniversalLines(stream).readline
        )
        self._limit = limit
        self._at_beginning = at_beginning
        self._longest = longest
        self._cuts = cuts
        self._read = 0
        self._taken = 0

    def take_consumed(self) -> int:
        """Bytes read since the last call."""
        new = self._read - self._taken
        self._taken = self._read
        return new

    def __iter__(self) -> Iterator[bytes | None]:
        # Of a line that is cut, one character more has to be seen.
        most = self._longest + (WINDOW if self._cuts else 0)
        rest = b""
        goes_on = False  # whether `rest` continues a line of which pieces have been given out
        while rest or self._limit is None or self._read < self._limit:
            read = self._readline(most - len(rest))
            begins_file = self._at_beginning and not self._read
            self._read += len(read)
            line = rest + read.removeprefix(BOM) if begins_file else rest + read
            is_end = not read
            read = rest = b""  # not to be held while what follows is worked on
            if not line:
                return
            # A byte order mark that was removed makes the longest line three bytes shorter.
            is_whole = is_end or line.endswith(b"\n" if self._cuts else LINE_ENDS)
            if len(line) >= most - len(BOM) and not is_whole:
                if not self._cuts:
                    self._skip_line()
                    yield None
                    continue
                end = line.rfind(b"\r", 0, -1) + 1
                if not end:
                    line = _rest_of_line(line)
                    if len(line) >= most:
                        end = place_to_cut(line, self._longest)
                        goes_on = True
                    line, rest = line[:end], _rest_of_line(line[end:])
                    if end:
                        yield line
                    continue
                line, rest = line[:end], line[end:]
            if b"\r" not in line and not goes_on:
                yield line
                continue
            lines = line.splitlines()  # bytes split at \n, \r\n and \r only
            # What is left of a line that was cut may be nothing; that is no blank line.
            yield from lines[1:] if goes_on and not without_leading_space(lines[0]) else lines
            goes_on = False

    def _skip_line(self) -> None:
        while piece := self._readline(2**16):
            self._read += len(piece)
            if piece.endswith(LINE_ENDS):
                return


def _rest_of_line(raw: bytes) -> bytes:
    """Without white space at its beginning, but with what may end the line."""
    return without_leading_space(raw) or (b"\r" if raw.endswith(b"\r") else b"")


def text_documents(
    lines: Iterable[bytes | None],
    *,
    whole: bool,
    largest: int = 2**30,
    on_cut: Callable[[], None] = lambda: None,
) -> Iterator[Document | Fault]:
    """Documents of plain text.

    Args:
      lines: As bytes.
      whole: All lines are one document.
      largest: Bytes of a document; one that is longer comes as several.
      on_cut: Hears of each such cut.
    """
    document: Document = []
    fault: Fault | None = None
    size = 0
    for number, raw in enumerate(lines, start=1):
        assert raw is not None  # lines of text are cut
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            fault = fault or Fault("utf8", number, describe_invalid_utf8(error))
            continue
        if line:
            if fault:
                continue
            added = len(line.encode("utf-8"))  # as in other formats, which have no line ends
            if size + added > largest or len(document) == MOST_LINES:
                for short in short_lines(line, largest) if added > largest else [line]:
                    added = len(short.encode("utf-8"))
                    if document and (size + added > largest or len(document) == MOST_LINES):
                        on_cut()
                        yield document
                        document, size = [], 0
                    document.append(short)
                    size += added
                continue
            document.append(line)
            size += added
        elif (document or fault) and not whole:
            yield fault or document
            document, fault, size = [], None, 0
    if document or fault:
        yield fault or document


def json_documents(
    lines: Iterable[bytes | None], text_field: str
) -> Iterator[Iterable[str] | Fault]:
    """Documents of JSON lines; a line may have no text, then the document is empty."""
    for number, raw in enumerate(lines, start=1):
        if raw is None:
            yield too_long(number)
            continue
        if not raw.strip():
            continue
        try:
            text = _text_of(parsed_json(raw.decode("utf-8")), text_field)
            text.encode("utf-8")  # a lone surrogate can be escaped in JSON, but is no text
        except UnicodeError as error:
            yield Fault("utf8", number, describe_invalid_utf8(error))
        except _NoTextError as error:
            hint = "name the field with --text-field, or leave such lines out with --on-error skip"
            yield Fault("json", number, str(error), hint=hint)
        except (ValueError, RecursionError) as error:
            yield Fault("json", number, f"not valid JSON ({error})")
        else:
            yield split_lines(text)


def parsed_json(text: str | bytes) -> Any:
    """The value of a JSON text; an integer that is too long to be one is 0.

    Raises:
      ValueError, RecursionError: It is no JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python converts
        return json.loads(text, parse_int=lambda digits: 0)


def _text_of(value: Any, text_field: str) -> str:
    if not isinstance(value, dict):
        raise _NoTextError(f"a JSON object is needed, this is a {type(value).__name__}")
    if text_field not in value:
        raise _NoTextError(f"no field {text_field!r}; the line has: {list_names(value)}")
    text = value[text_field]
    if not isinstance(text, str):
        kind = type(text).__name__
        raise _NoTextError(f"field {text_field!r} holds a {kind} where text is needed")
    return text


class _NoTextError(Exception):
    """A line of valid JSON without the text."""


def split_lines(text: str) -> Iterable[str]:
    """The stripped, non-blank lines of a text, split at \\n, \\r\\n and \\r only.

    Of a text of very many lines they come one by one: together they take far more than the text.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST_LINES and text.count("\n") >= MOST_LINES:
        return (line for found in _LINE.finditer(text) if (line := found[0].strip()))
    return [line for line in map(str.strip, text.split("\n")) if line]
