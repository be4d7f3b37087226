"""Which format a file has: what its first bytes say, and its name where they say nothing."""

from __future__ import annotations

import re
from typing import Literal

from electra_cli.corpus.reading.containers.kinds import JSON_LINES, check_is_none
from electra_cli.corpus.reading.encodings import in_utf8, other_encoding
from electra_cli.corpus.reading.faults import UnreadableError, with_name
from electra_cli.corpus.reading.naming import Format, FormatOption, ending_format, is_json
from electra_cli.corpus.reading.tables.separators import find_dialect, possible_separators
from electra_cli.corpus.reading.texts import parsed_json

Compression = Literal["gzip", "zstd", "xz", "bzip2"]

HEAD_BYTES = 64 * 1024

_COMPRESSIONS: dict[Compression, re.Pattern[bytes]] = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "bzip2": re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"),
}
_FORMATS: dict[Format, re.Pattern[bytes]] = {
    "parquet": re.compile(rb"PAR1"),
    "arrow": re.compile(rb"ARROW1\x00\x00|\xff\xff\xff\xff..\x00\x00", re.DOTALL),
    "tar": re.compile(rb".{257}ustar", re.DOTALL),
    "zip": re.compile(rb"PK(?:\x03\x04|\x05\x06)"),
    "warc": re.compile(rb"(?:\xef\xbb\xbf)?\s*WARC/\d\.\d+[ \t]*\r?\n[\w-]+[ \t]*:"),
    "doc": re.compile(rb'(?:\xef\xbb\xbf)?\s*<doc id="'),
}
# Control characters that text has none of; tabs, line ends, form feeds and colours are not here.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\x0b\x0c\r\x1b")) + b"\x7f"
_LINE_END = re.compile("[\r\n]")
_BINARY_SHARE = 0.01
_FEW_CONTROLS = 3  # which a short text may have all the same
_END_OF_DOS_TEXT = b"\x1a"  # fills the last block


def detect_compression(head: bytes) -> Compression | None:
    """How a file is compressed, by its first bytes."""
    return next((name for name, magic in _COMPRESSIONS.items() if magic.match(head)), None)


def detect_format(
    head: bytes, name: str, label: str, option: FormatOption, text_field: str
) -> Format:
    """The format of uncompressed content.

    Args:
      head: Its first `HEAD_BYTES`, or all if it is shorter.
      name: Of the file, for formats that cannot be told by their content.
      label: What errors call the file.
      option: The format that was asked for; archives stay archives.
      text_field: The column of a table that holds the text; a header with it tells a table whose
        name says nothing.

    Raises:
      UnreadableError: It is binary, compressed twice, or not what its name says.
    """
    by_content = next((name for name, magic in _FORMATS.items() if magic.match(head)), None)
    if by_content in ("tar", "zip"):
        return by_content
    if option in ("parquet", "arrow"):
        return option
    by_name = ending_format(name)
    if option == "auto" and (by_content or by_name == "tar"):
        return by_content or "tar"
    check_is_none(head, name, label, text_too=option == "auto")
    _check_is_text(head, label)
    if option != "auto":
        return option
    if by_name in ("parquet", "arrow", "zip") and head:
        raise UnreadableError(
            f"{label}: the name says {by_name}, but the content is text: {head[:40]!r}",
            hint="fetch the file again, or rename it if it is text",
        )
    if by_name in ("jsonl", "csv", "tsv"):
        return by_name
    if _begins_with_json_object(head):
        return "jsonl"
    if by_name is None and is_json(name) and head.strip():
        raise UnreadableError(
            f"{label}: the name says JSON, but it does not begin with an object on one line: "
            f"{head[:40]!r}",
            hint=f"{with_name(JSON_LINES, label)}; if it is plain text, --format txt reads it",
        )
    return by_name or _table(head, text_field) or "txt"


def detect_unnamed(head: bytes, name: str, label: str, text_field: str) -> Format | None:
    """The format of a file that nobody named and whose own name says nothing.

    Args:
      head: Its first `HEAD_BYTES`, or all if it is shorter.
      name: Of the file.
      label: What errors call it.
      text_field: The field of a JSON line that holds the text.

    Returns:
      None if it is no text, or a single JSON object without the field, such as settings.
    """
    try:
        format_ = detect_format(head, name, label, "auto", text_field)
    except UnreadableError:
        return None
    return None if format_ == "jsonl" and _is_object_without(head, text_field) else format_


def _table(head: bytes, text_field: str) -> Format | None:
    """The kind of table whose header, one of several columns, text begins with."""
    header = _LINE_END.split(head.decode("utf-8-sig", "ignore"), maxsplit=1)[0]
    dialect = find_dialect(header, text_field, possible_separators(",", None), "auto")
    columns = dialect.fields(header)
    if len(columns) < 2 or text_field not in columns:
        return None
    return "tsv" if dialect.separator == "\t" else "csv"


def _is_object_without(head: bytes, field: str) -> bool:
    try:
        value = parsed_json(head) if len(head) < HEAD_BYTES else None
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and field not in value


def _check_is_text(head: bytes, label: str) -> None:
    twice = detect_compression(head)
    if twice:
        raise UnreadableError(f"{label} is compressed twice", hint="take off one compression")
    text = head.rstrip(_END_OF_DOS_TEXT)
    controls = len(text) - len(text.translate(None, _CONTROLS))
    is_binary = controls > max(_BINARY_SHARE * len(text), _FEW_CONTROLS)
    if encoding := other_encoding(head):
        raise UnreadableError(
            f"no reader for {label}: it is text in {encoding}",
            hint=with_name(in_utf8(encoding), label),
        )
    if is_binary:
        raise UnreadableError(
            f"no reader for {label}: it is binary, it begins with {head[:16]!r}",
            hint="leave the file out, or convert it to text in UTF-8",
        )


def _begins_with_json_object(head: bytes) -> bool:
    line = re.split(rb"(?<=[\r\n])", head.removeprefix(b"\xef\xbb\xbf").lstrip(), maxsplit=1)[0]
    if not line.startswith(b"{"):
        return False
    goes_on = not line.endswith((b"\r", b"\n")) and len(head) >= HEAD_BYTES
    if goes_on:  # behind the head
        return re.match(rb'\{\s*"', line) is not None
    try:
        return isinstance(parsed_json(line), dict)
    except (ValueError, RecursionError):
        return False
