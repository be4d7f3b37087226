"""What the processes of a cluster say to each other: JSON objects, each behind its length.

A message is four bytes, its length, and that many bytes of JSON. Who receives says how long one may
be, so that what speaks another language is noticed by its first four bytes, and nothing is kept of
it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

Message = dict[str, Any]

MOST_OF_A_PEER = 1 << 26
"""Bytes of the longest message between those who know each other."""
MOST_OF_A_STRANGER = 1 << 12

_HEAD = 4  # bytes


class NoMessageError(Exception):
    """What came is no message, or too long a one."""


def packed(kind: str, **parts: Any) -> bytes:
    """A message as bytes.

    Raises:
      ValueError: It is longer than any receiver takes.
      TypeError: A part has no form in JSON.
    """
    body = json.dumps({"kind": kind, **parts}, separators=(",", ":")).encode()
    if len(body) > MOST_OF_A_PEER:
        raise ValueError(f"a message of {len(body):,} bytes; {MOST_OF_A_PEER:,} are the most")
    return len(body).to_bytes(_HEAD, "big") + body


async def receive(reader: asyncio.StreamReader, most: int = MOST_OF_A_PEER) -> Message | None:
    """The next message; None at the end.

    Raises:
      NoMessageError: What comes is no message of at most so many bytes.
      OSError: The connection is broken.
    """
    try:
        length = _length(await reader.readexactly(_HEAD), most)
        return _unpacked(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return None


def receive_now(stream: BinaryIO, most: int = MOST_OF_A_PEER) -> Message | None:
    """`receive` from a stream that blocks."""
    head = stream.read(_HEAD)
    if len(head) < _HEAD:
        return None
    body = stream.read(length := _length(head, most))
    return _unpacked(body) if len(body) == length else None


def _length(head: bytes, most: int) -> int:
    length = int.from_bytes(head, "big")
    if length > most:
        raise NoMessageError(f"a message of {length:,} bytes; {most:,} are the most")
    return length


def _unpacked(body: bytes) -> Message:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoMessageError(f"no JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise NoMessageError("a message without its kind")
    return message


@dataclass(frozen=True)
class Timing:
    """How long workers wait for each other.

    Attributes:
      rendezvous: Seconds until all have to be there.
      beat: Seconds between two signs of life.
      silence: Seconds without one after which a worker is lost, and in which a trainer may stand
        still.
      handshake: Seconds in which a stranger has to prove that it is a worker.
      grace: Seconds for others to end with an error of their own once one has, and for a process
        to end by itself.
      linger: Seconds for all to end once the chief has.
    """

    rendezvous: float = 300.0
    beat: float = 2.0
    silence: float = 20.0
    handshake: float = 5.0
    grace: float = 5.0
    linger: float = 60.0


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
