"""Which format a file has: what its first bytes say, and its name where they say nothing."""

from __future__ import annotations

import json
import re
from typing import Literal

from electra_cli.corpus.faults import UnreadableError

# What --format can force, and what else a file may turn out to be.
FormatOption = Literal["auto", "txt", "md", "jsonl", "csv", "tsv", "parquet", "arrow"]
Format = Literal["txt", "md", "jsonl", "csv", "tsv", "parquet", "arrow", "tar", "zip"]
Compression = Literal["gzip", "zstd", "xz", "bzip2"]

HEAD_BYTES = 64 * 1024

ENDINGS: dict[str, Format] = {
    ".txt": "txt",
    ".md": "md",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".tar": "tar",
    ".tgz": "tar",
    ".zip": "zip",
}
COMPRESSED_ENDINGS = (".gz", ".zst", ".xz", ".bz2")

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
}
# Control characters that text has none of; tabs, line ends, form feeds and colours are not here.
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\x0b\x0c\r\x1b")) + b"\x7f"
_BINARY_SHARE = 0.01


def ending_format(name: str) -> Format | None:
    """The format that a name's ending stands for, seen through one ending of compression."""
    name = name.lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    return next((format_ for ending, format_ in ENDINGS.items() if name.endswith(ending)), None)


def is_candidate(name: str, option: FormatOption) -> bool:
    """Whether a file met in a folder or an archive is read: its ending is known, or forced.

    Hidden files never are, among them those that macOS puts beside every file of an archive.
    """
    return not is_hidden(name) and (option != "auto" or ending_format(name) is not None)


def is_hidden(name: str) -> bool:
    """Whether a file is hidden by its name; folders are not looked at."""
    return name.rsplit("/", 1)[-1].startswith(".")


def detect_compression(head: bytes) -> Compression | None:
    """How a file is compressed, by its first bytes."""
    return next((name for name, magic in _COMPRESSIONS.items() if magic.match(head)), None)


def detect_format(head: bytes, name: str, label: str, option: FormatOption) -> Format:
    """The format of uncompressed content.

    Args:
      head: Its first `HEAD_BYTES`, or all if it is shorter.
      name: Of the file, for formats that cannot be told by their content.
      label: What errors call the file.
      option: The format that was asked for; archives stay archives.

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
    _check_is_text(head, label)
    if option != "auto":
        return option
    if by_name in ("parquet", "arrow", "zip") and head:
        raise UnreadableError(
            f"{label}: the name says {by_name}, but the content is text: {head[:40]!r}",
            hint="fetch the file again (a pointer of Git LFS?), or rename it if it is text",
        )
    if by_name in ("jsonl", "csv", "tsv"):
        return by_name
    if _begins_with_json_object(head):
        return "jsonl"
    return by_name or "txt"


def _check_is_text(head: bytes, label: str) -> None:
    twice = detect_compression(head)
    if twice:
        raise UnreadableError(f"{label} is compressed twice", hint="take off one compression")
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > _BINARY_SHARE * len(head) or head.startswith(b"%PDF-"):
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
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
