"""Documents out of text files: plain or gzip, whole or a range of bytes.

A document is a list of stripped, non-blank lines. In `.txt` a blank line separates documents; in
`.jsonl` each line of the file is one document, whose text's own lines are the document's lines.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from electra_cli.corpus.discovery import InputFile
from electra_cli.errors import DataError, InputMissingError

OnError = Literal["fail", "skip"]
Document = list[str]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Part:
    """A range of a file's bytes that begins and ends between documents.

    Attributes:
      file: The file; a compressed one always has a single part.
      start: First byte.
      end: Byte after the last; of a compressed file, its size on disk.
    """

    file: InputFile
    start: int
    end: int


@dataclass
class ReadCounts:
    """What a reader met; it is counted up while reading.

    Attributes:
      input_bytes: Bytes read, uncompressed.
      disk_bytes: The same on disk, which progress is measured in.
      bad_json_lines: Lines skipped because they are no JSON object with the text field.
      invalid_utf8: Documents skipped because they are not valid UTF-8.
    """

    input_bytes: int = 0
    disk_bytes: int = 0
    bad_json_lines: int = 0
    invalid_utf8: int = 0


def read_documents(
    part: Part, *, text_field: str, on_error: OnError, counts: ReadCounts
) -> Iterator[Document]:
    """Reads the documents of one part in order.

    Args:
      part: What to read.
      text_field: The field of a JSON line that holds the text.
      on_error: Whether a bad line or document ends the reading or is counted and skipped.
      counts: Is brought up to date before each document is handed out.

    Raises:
      DataError: Bad input under `fail`, or a damaged compressed file.
      InputMissingError: The file is gone or cannot be opened.
    """
    before = counts.disk_bytes
    with _opened(part) as (stream, raw):
        lines = _Lines(stream, part)
        is_jsonl = part.file.is_jsonl
        for item in _json_documents(lines, text_field) if is_jsonl else _text_documents(lines):
            counts.input_bytes += lines.take_consumed()
            counts.disk_bytes = before + raw.tell() - part.start
            if isinstance(item, _Fault):
                if on_error == "fail":
                    raise item.as_error(part)
                counts.bad_json_lines += item.kind == "json"
                counts.invalid_utf8 += item.kind == "utf8"
            elif item:
                yield item
        counts.input_bytes += lines.take_consumed()
        counts.disk_bytes = before + part.end - part.start


@dataclass(frozen=True)
class _Fault:
    """Something wrong in the input; `line` counts from 1 at the part's beginning."""

    kind: Literal["json", "utf8"]
    line: int
    what: str
    hint: str = "correct the line, or leave such documents out with --on-error skip"

    def as_error(self, part: Part) -> DataError:
        # Only now is it worth counting the lines before the part.
        before = 0
        if part.start:
            with part.file.path.open("rb") as stream:
                before = sum(1 for _ in _Lines(stream, Part(part.file, 0, part.start)))
        return DataError(
            f"{part.file.path}, line {before + self.line}: {self.what}", hint=self.hint
        )


class _Lines:
    """The lines of a part as bytes, ended by any of \\n, \\r\\n and \\r."""

    def __init__(self, stream: BinaryIO, part: Part) -> None:
        self._stream = stream
        self._limit = None if part.file.compressed else part.end - part.start
        self._at_beginning = part.start == 0
        self._read = 0
        self._taken = 0

    def take_consumed(self) -> int:
        """Bytes read since the last call."""
        new = self._read - self._taken
        self._taken = self._read
        return new

    def __iter__(self) -> Iterator[bytes]:
        while self._limit is None or self._read < self._limit:
            line = self._stream.readline()
            if not line:
                return
            if self._at_beginning and not self._read:
                self._read = len(line)
                line = line.removeprefix(_BOM)
            else:
                self._read += len(line)
            if b"\r" in line:
                yield from line.splitlines()  # bytes split at \n, \r\n and \r only
            else:
                yield line


def _text_documents(lines: _Lines) -> Iterator[Document | _Fault]:
    document: Document = []
    fault: _Fault | None = None
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            fault = fault or _Fault("utf8", number, _describe(error))
            continue
        if line:
            document.append(line)
        elif document or fault:
            yield fault or document
            document, fault = [], None
    if document or fault:
        yield fault or document


def _json_documents(lines: _Lines, text_field: str) -> Iterator[Document | _Fault]:
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            text = _text_of(json.loads(raw.decode("utf-8")), text_field)
            text.encode("utf-8")  # a lone surrogate can be escaped in JSON, but is no text
        except UnicodeError as error:
            yield _Fault("utf8", number, _describe(error))
        except _NoTextError as error:
            hint = "name the field with --text-field, or leave such lines out with --on-error skip"
            yield _Fault("json", number, str(error), hint=hint)
        except (ValueError, RecursionError) as error:
            yield _Fault("json", number, f"not valid JSON ({error})")
        else:
            yield split_lines(text)


def _text_of(value: Any, text_field: str) -> str:
    if not isinstance(value, dict):
        raise _NoTextError(f"a JSON object is needed, this is a {type(value).__name__}")
    if text_field not in value:
        names = ", ".join(repr(name) for name in value) or "none"
        raise _NoTextError(f"no field {text_field!r}; the line has: {names}")
    text = value[text_field]
    if not isinstance(text, str):
        kind = type(text).__name__
        raise _NoTextError(f"field {text_field!r} holds a {kind} where text is needed")
    return text


class _NoTextError(Exception):
    """A line of valid JSON without the text."""


def split_lines(text: str) -> Document:
    """The stripped, non-blank lines of a text, split at \\n, \\r\\n and \\r only."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return [line for line in map(str.strip, text.split("\n")) if line]


def _describe(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"invalid UTF-8 (byte 0x{error.object[error.start]:02x}: {error.reason})"
    return "invalid UTF-8 (an unpaired surrogate)"


@contextmanager
def _opened(part: Part) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The stream of text at the part's beginning, and the file whose position is progress."""
    path = part.file.path
    try:
        raw = path.open("rb")
    except (FileNotFoundError, PermissionError) as error:
        raise InputMissingError(f"input cannot be opened: {path} ({error.strerror})") from error
    with raw:
        if not part.file.compressed:
            raw.seek(part.start)
            yield raw, raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                yield stream, raw  # type: ignore[misc]  # it reads as a BinaryIO does
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path}: damaged or truncated gzip ({error})",
                hint=f"make or fetch the file again; `gzip -t {path}` tests it",
            ) from error
