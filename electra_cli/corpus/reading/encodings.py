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
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# What Windows-1252 does not have.
_NOT_WESTERN = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MOST_OF_WESTERN = 0.3


def in_utf8(encoding: str) -> str:
    """The command that makes UTF-8 of a text in an encoding, and what it does."""
    return f"`iconv -f {encoding} -t UTF-8 FILE > FILE.txt` makes UTF-8 of it"


def other_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark other than that of UTF-8 tells.

    Args:
      head: The beginning of a file.
    """
    marks = _BYTE_ORDER_MARKS.items()
    return next((name for mark, name in marks if head.startswith(mark)), None)


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
