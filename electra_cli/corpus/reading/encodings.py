"""Encodings of text other than UTF-8: their names, for messages, and what makes UTF-8 of them."""

from __future__ import annotations

import re

UNKNOWN_ENCODING = "ENCODING"  # as it stands in a command

_BYTE_ORDER_MARKS = {  # the longer ones first: UTF-32 begins as UTF-16 does
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# They are written with ASCII characters alone, and so are UTF-8 too, of another text.
_ESCAPES = {
    "ISO-2022-JP": re.compile(rb"\x1b\$[@B]"),
    "ISO-2022-KR": re.compile(rb"\x1b\$\)C"),
    "ISO-2022-CN": re.compile(rb"\x1b\$\)[AG]"),
}
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# What Windows-1252 does not have.
_NOT_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MOST_OF_WESTERN = 0.3


def in_utf8(encoding: str) -> str:
    """The command that makes UTF-8 of a text in an encoding, and what it does."""
    return f"`iconv -f {encoding} -t UTF-8 FILE > FILE.txt` makes UTF-8 of it"


def other_encoding(head: bytes) -> str | None:
    """The encoding of a text that is certainly not in UTF-8, if its beginning tells.

    That is UTF-16 or UTF-32 with a byte order mark, or ISO-2022.

    Args:
      head: The beginning of a file.
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name
    return next((name for name, escape in _ESCAPES.items() if escape.search(head)), None)


def single_byte_encoding(line: bytes) -> str | None:
    """What text that is not UTF-8 is probably in, for iconv; None if it is UTF-8 and damaged.

    Args:
      line: Some of it, with a byte that is not UTF-8.
    """
    others = len(_NOT_ASCII.findall(line))
    if 2 * sum(map(len, _UTF_8.findall(line))) > others:
        return None
    is_western = others < _MOST_OF_WESTERN * len(line) and not _NOT_WESTERN.search(line)
    return "WINDOWS-1252" if is_western else UNKNOWN_ENCODING
