"""Records of web archives (WARC, ISO 28500) that hold text, as Common Crawl's WET files do.

A record is a line with the version, lines of headers, a blank line, and as many bytes as a header
says. Of the records only those are read that are the text of a page; a page as it came is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from electra_cli.corpus.reading.faults import DamagedError, UnreadableError
from electra_cli.corpus.reading.passed_over import describe_kinds
from electra_cli.corpus.reading.texts import BOM
from electra_cli.corpus.shards.counts import add_kinds
from electra_cli.errors import counted

_LONGEST_LINE = 2**16
_PIECE = 2**16
_PLAIN = "text/plain"
_PAGES = ("text/html", "application/xhtml+xml")
_HINT = (
    "give the WET file of the same crawl (….warc.wet.gz), which holds the text, or write the text "
    "with `warc2text -o FOLDER FILE` and give what it writes"
)


def warc_texts(stream: BinaryIO, label: str) -> Iterator[BinaryIO]:
    """The texts of an archive, each as a stream that is to be read before the next.

    Args:
      stream: At the beginning, not compressed.
      label: What errors call it.

    Raises:
      DamagedError: It is damaged or cut off.
      UnreadableError: It holds pages as they came, or no text.
    """
    kinds: dict[str, int] = {}
    has_text = False
    while headers := _headers(stream, label):
        kind = headers.get("warc-type", "").lower()
        content = headers.get("content-type", _PLAIN).split(";")[0].strip().lower()
        if kind == "response" or (kind == "resource" and content in _PAGES):
            raise UnreadableError(
                f"no reader for {label}: it is a web archive of pages as they came ({kind} "
                "records), not of their text",
                hint=_HINT,
            )
        add_kinds(kinds, {f"{kind or 'nameless'} records": 1})
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise _damaged(label, f"Content-Length is {length[:40]!r}")
        text = _Record(stream, int(length), label)
        if kind in ("conversion", "resource") and content == _PLAIN:
            has_text = True
            yield text  # type: ignore[misc]  # as much of a stream as lines are read from
        text.skip()
    kinds.pop("warcinfo records", None)
    if kinds and not has_text:
        raise UnreadableError(
            f"no text in {label}: it is a web archive of {describe_kinds(kinds)}", hint=_HINT
        )


def _headers(stream: BinaryIO, label: str) -> dict[str, str]:
    """Those of the next record by name; none at the end."""
    line = b"\n"
    while line and not line.strip():  # between records
        line = stream.readline(_LONGEST_LINE).removeprefix(BOM)
    if not line:
        return {}
    if not line.startswith(b"WARC/"):
        raise _damaged(label, f"a record begins with {line[:40]!r}")
    headers = {"version": line.decode("latin-1").strip()}
    while (line := stream.readline(_LONGEST_LINE)).endswith(b"\n"):
        if not line.strip():
            return headers
        if line.startswith((b" ", b"\t")):  # goes on with the value of the last one
            continue
        name, _, value = line.decode("latin-1").partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    raise _damaged(label, "a header has no end")


class _Record:
    """The bytes of a record as a stream of lines."""

    def __init__(self, stream: BinaryIO, size: int, label: str) -> None:
        self._stream = stream
        self._left = size
        self._label = label

    def readline(self, size: int) -> bytes:
        """A line, or as much of it as has `size` bytes; none at the end of the record."""
        line = self._stream.readline(min(size, self._left)) if self._left else b""
        if self._left and not line:
            raise _damaged(
                self._label, f"it ends {counted(self._left, 'byte')} before the end of a record"
            )
        self._left -= len(line)
        return line

    def skip(self) -> None:
        """Goes to the end of the record."""
        while self.readline(_PIECE):
            pass


def _damaged(label: str, what: str) -> DamagedError:
    return DamagedError(
        f"{label}: damaged or truncated WARC ({what})", hint="make or fetch the file again"
    )
