"""A connection to another process of a cluster, beside which other things go on.

Trainers do without it: their side of the channel blocks, and commands that have no cluster do not
import asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from electra_cli.cluster.protocol import (
    HEAD,
    MOST_OF_A_PEER,
    Message,
    NoMessageError,
    length_of,
    packed,
    unpacked,
)


async def receive(reader: asyncio.StreamReader, most: int = MOST_OF_A_PEER) -> Message | None:
    """`receive_now` for whoever must not wait."""
    try:
        length = length_of(await reader.readexactly(HEAD), most)
        return unpacked(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return None


class Link:
    """A connection to a process that is known.

    Args:
      reader: What comes from it.
      writer: What goes to it.

    Attributes:
      silence: How many beats ago it was heard. Beats of this process are counted, and no seconds:
        one that was suspended has not listened.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.silence = 0

    def say(self, kind: str, **parts: Any) -> None:
        """Sends a message; to a process that is gone it does nothing."""
        if not self._writer.is_closing():
            self._writer.write(packed(kind, **parts))

    async def listen(self, hear: Callable[[Message], None]) -> None:
        """Hands over one message after the other, and returns when no more will come."""
        with suppress(OSError, NoMessageError):
            while (message := await receive(self._reader)) is not None:
                self.silence = 0
                hear(message)

    async def close(self, patience: float) -> None:
        """Sends what is left, and closes the connection.

        Args:
          patience: Seconds for the other side to take it.
        """
        with suppress(OSError, TimeoutError):
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), patience)
        self._writer.transport.abort()
