"""What the processes of a cluster say to each other: JSON objects, each behind its length.

A message is four bytes, its length, and that many bytes of JSON. Who receives says how long one may
be, so that what speaks another language is noticed by its first four bytes, and nothing is kept of
it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, BinaryIO

Message = dict[str, Any]

MOST_OF_A_PEER = 1 << 26
"""Bytes of the longest message between those who know each other."""
MOST_OF_A_STRANGER = 1 << 12

HEAD = 4  # bytes


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
    return len(body).to_bytes(HEAD, "big") + body


def receive_now(stream: BinaryIO, most: int = MOST_OF_A_PEER) -> Message | None:
    """The next message of a stream that blocks; None at the end.

    Raises:
      NoMessageError: What comes is no message of at most so many bytes.
      OSError: The connection is broken.
    """
    head = stream.read(HEAD)
    if len(head) < HEAD:
        return None
    body = stream.read(length := length_of(head, most))
    return unpacked(body) if len(body) == length else None


def length_of(head: bytes, most: int) -> int:
    """The bytes of the message behind a head.

    Raises:
      NoMessageError: They are too many.
    """
    length = int.from_bytes(head, "big")
    if length > most:
        raise NoMessageError(f"a message of {length:,} bytes; {most:,} are the most")
    return length


def unpacked(body: bytes) -> Message:
    """The message of so many bytes.

    Raises:
      NoMessageError: They are none.
    """
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
