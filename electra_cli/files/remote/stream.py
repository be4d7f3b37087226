"""An object of a store as a stream that reads, seeks, and outlives faults on the way."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from electra_cli.errors import DataError
from electra_cli.files.remote.faults import again, shown

# What is asked for at once: little after a jump, such as to the index at the end of a table, then
# twice as much each time.
_SMALLEST_BLOCK, _LARGEST_BLOCK = 128 * 1024, 8 * 2**20
# So often a store is asked whether the object is still the same; most do not notice while reading.
_BETWEEN_LOOKS = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """An object.

    Attributes:
      url: Where it is.
      size: Bytes.
      etag: What changes with its content; empty if the store tells nothing.
    """

    url: str
    size: int
    etag: str


class ReplacedError(DataError):
    """An object that is not the one that reading began with."""


class Stream(io.RawIOBase):
    """Reads an object in blocks, one of which is held.

    An error on the way is tried again, from the place where it was.

    Args:
      url: The object.
      opened: Opens it: something with `read` and `seek` that holds nothing, and what it is now.
      until: Where reading is going to end, more or less: up to there nothing behind it is read.
      is_listed: See `again`.

    Attributes:
      entry: What is read.
    """

    def __init__(
        self,
        url: str,
        opened: Callable[[], tuple[Any, Entry]],
        *,
        until: int | None = None,
        is_listed: bool = False,
    ) -> None:
        self._url = url
        self._open = opened
        self._until = until
        self._position = 0
        self._block, self._begin = b"", 0
        self._ahead = _SMALLEST_BLOCK
        self._since_look = 0
        self._handle: Any
        self._handle, self.entry = again(opened, "opening", url, is_listed=is_listed)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position, also behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.entry.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fills the buffer, unless the object ends before."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._position < self.entry.size:
            place = self._position - self._begin
            if not 0 <= place < len(self._block):
                self._load(len(view) - filled)
                continue
            piece = memoryview(self._block)[place : place + len(view) - filled]
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def close(self) -> None:
        """Lets the object go."""
        if not self.closed:
            self._block = b""
            self._let_go()
        super().close()

    def _load(self, wanted: int) -> None:
        """Reads the block at the position."""
        goes_on = self._block and self._position == self._begin + len(self._block)
        ahead = 2 * self._ahead if goes_on and self._position != self._until else _SMALLEST_BLOCK
        self._ahead = min(max(ahead, wanted), _LARGEST_BLOCK)
        begin, end = self._position, min(self._position + self._ahead, self.entry.size)
        if self._until is not None and begin < self._until:
            end = min(end, self._until)
        self._block = b""  # never two at once
        what = "reading" if not begin else f"reading from byte {begin:,} of"
        self._block = again(partial(self._read, begin, end), what, self._url, is_listed=True)
        self._begin = begin

    def _read(self, begin: int, end: int) -> bytes:
        try:
            if self._handle is None:
                self._look()
            self._handle.seek(begin)
            data: bytes = self._handle.read(end - begin)
            if len(data) != end - begin:
                raise OSError(errno.EIO, f"{len(data):,} bytes came instead of {end - begin:,}")
            self._since_look += len(data)
            if self._since_look >= _BETWEEN_LOOKS or end == self.entry.size:
                self._look()
        except BaseException:
            self._let_go()  # whatever state it is in
            raise
        return data

    def _look(self) -> None:
        """Opens the object anew.

        Raises:
          ReplacedError: It is another one by now.
        """
        self._let_go()
        self._handle, entry = self._open()
        if entry != self.entry:
            raise ReplacedError(
                f"{shown(self._url)} was replaced while it was read",
                hint="put the former object back and run the same command again, or choose "
                "another output and begin with the object as it is now",
            )
        self._since_look = 0

    def _let_go(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            with suppress(Exception):
                handle.close()
