"""Bytes that come only once, as through a pipe, for readers that want a file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO


@dataclass(frozen=True, eq=False)
class Piped:
    """What comes through a pipe.

    Attributes:
      head: Its first bytes, read already.
      rest: Where all others come from; None if the head is everything.
    """

    head: bytes
    rest: BinaryIO | None

    @property
    def comes_once(self) -> bool:
        """Whether it can be opened only once, and by this process alone."""
        return self.rest is not None

    def open(self) -> Any:
        """All bytes from the first one on, as something for `io.BufferedReader`."""
        return io.BytesIO(self.head) if self.rest is None else _Once(self.head, self.rest)


class _Once(io.RawIOBase):
    """The head and then the rest; unlike a pipe it tells its position."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._head[self._position : self._position + len(buffer)] or self._rest.read(
            len(buffer)
        )
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
