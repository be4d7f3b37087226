"""Documents between <doc …> and </doc>, as WikiExtractor writes them without its --json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from electra_cli.corpus.reading.faults import DamagedError

_BEGIN, _END = b"<doc id=", b"</doc>"
_LONGEST_TAG = 2**16


def extracted_texts(stream: BinaryIO, label: str) -> Iterator[BinaryIO]:
    """The texts, each as a stream that is to be read before the next.

    Args:
      stream: At the beginning.
      label: What errors call it.

    Raises:
      DamagedError: A document has no end.
    """
    line = stream.readline(_LONGEST_TAG).removeprefix(b"\xef\xbb\xbf")
    while line:
        if not line.strip():
            line = stream.readline(_LONGEST_TAG)
            continue
        text = _Text(stream, b"" if line.startswith(_BEGIN) else line, label)
        yield text  # type: ignore[misc]  # as much of a stream as lines are read from
        while text.readline(_LONGEST_TAG):
            pass
        line = text.following or stream.readline(_LONGEST_TAG)


class _Text:
    """Lines up to the end of a document.

    Args:
      stream: Behind its first line.
      first: That line, if it belongs to the text.
      label: What errors call it.

    Attributes:
      following: What begins the next document, if this has ended with that.
    """

    def __init__(self, stream: BinaryIO, first: bytes, label: str) -> None:
        self._stream = stream
        self._first = first
        self._label = label
        self._begins_line = not first or first.endswith(b"\n")
        self._ended = False
        self.following = b""

    def readline(self, size: int) -> bytes:
        """A line, or as much of it as has `size` bytes; none at the end of the document."""
        if self._ended:
            return b""
        if line := self._first:
            self._first = b""
            return line
        begins, line = self._begins_line, self._stream.readline(size)
        self._begins_line = line.endswith(b"\n")
        if not line:
            raise DamagedError(
                f"{self._label}: truncated, a document has no </doc>",
                hint="make or fetch the file again",
            )
        if begins and line.startswith(_BEGIN):
            self.following = line
        if self.following or (begins and line.strip() == _END):
            self._ended = True
            return b""
        return line
