"""Lines of bytes that end as Python's universal newlines do."""

from __future__ import annotations

from typing import BinaryIO

LINE_ENDS = (b"\n", b"\r")


class UniversalLines:
    """Reads lines that end with any of \\n, \\r\\n and \\r; streams know the first two alone.

    Args:
      stream: At the beginning of a line.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""  # read, and handed out up to `_begin`
        self._begin = 0

    def readline(self, size: int) -> bytes:
        """A line with its end, or as much of it as has some `size` bytes; none at the end.

        A \\r\\n is never parted, for which a byte more is read.
        """
        held, begin = self._held, self._begin
        if begin == len(held):
            held, begin = self._stream.readline(size), 0
        while (end := held.find(b"\r", begin) + 1) == 0:
            line = held[begin:]
            more = b""
            if line and len(line) < size and not line.endswith(b"\n"):
                more = self._stream.readline(size - len(line))
            if not more:
                self._held, self._begin = b"", 0
                return line
            held, begin = line + more, 0
        if end == len(held):
            held += self._stream.readline(1)
        if held[end : end + 1] == b"\n":
            end += 1
        self._held, self._begin = held, end
        return held[begin:end]
