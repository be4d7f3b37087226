"""Examples out of documents: as the reference's example builder makes them, or without padding.

Source of the first: google-research/electra, build_pretraining_dataset.py, class ExampleBuilder.
Here the randomness belongs to the document, so that examples do not depend on what stands beside
it. The second is what RoBERTa calls FULL-SENTENCES (Liu et al. 2019, section 4.2).

Ids are bytes here, a fixed number to an id.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from electra_cli.corpus.shards.kinds import Packing

SINGLE_SEGMENT_PROBABILITY = 0.1
SHORT_EXAMPLE_PROBABILITY = 0.05
SHORTEST_TARGET = 5

# A length that no first segment reaches: everything goes into it.
_UNREACHABLE = 100_000


@dataclass(frozen=True)
class Frame:
    """What all examples have in common.

    Attributes:
      sequence_length: Longest example in ids, [CLS] and [SEP] included.
      cls: The id of [CLS].
      sep: The id of [SEP]; its length is the number of bytes to an id.
    """

    sequence_length: int
    cls: bytes
    sep: bytes


class Packer(Protocol):
    """Makes examples out of the documents of one split, in order."""

    def add(self, lines: Sequence[bytes], document_hash: bytes) -> tuple[list[bytes], int]:
        """Takes a document.

        Args:
          lines: The ids of each line.
          document_hash: Of its text.

        Returns:
          The examples that are complete, unpadded, and the number of tokens that were left out.
        """

    def rest(self) -> list[bytes]:
        """The last example, if there is one still; call it once, behind the last document."""


def make_packer(packing: Packing, frame: Frame, seed: int) -> Packer:
    """A packer for one split of one slice."""
    return ReferencePacker(frame, seed) if packing == "reference" else FullPacker(frame)


class ReferencePacker:
    """One or two segments an example, never of two documents, some of them short."""

    def __init__(self, frame: Frame, seed: int) -> None:
        self._frame = frame
        self._seed = seed

    def add(self, lines: Sequence[bytes], document_hash: bytes) -> tuple[list[bytes], int]:
        """See `Packer`; all examples of a document are complete with it."""
        return pack_document(lines, self._frame, document_random(self._seed, document_hash))

    def rest(self) -> list[bytes]:
        """Nothing."""
        return []


class FullPacker:
    """Full examples: documents run on, with a [SEP] where one ends, and are cut where a row ends.

    The second segment begins behind the first [SEP] within an example.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._held = bytearray()

    def add(self, lines: Sequence[bytes], document_hash: bytes) -> tuple[list[bytes], int]:
        """See `Packer`; nothing is left out."""
        del document_hash
        frame, held = self._frame, self._held
        unit = len(frame.sep)
        room = (frame.sequence_length - 2) * unit
        examples: list[bytes] = []
        if not any(lines):
            return examples, 0
        # A [SEP] in the last place would stand beside the one that ends the row.
        if held and len(held) + unit == room:
            examples += self.rest()
        elif held:
            held += frame.sep
        for line in lines:
            held += line
        start = 0
        while len(held) - start >= room:
            examples.append(frame.cls + bytes(held[start : start + room]) + frame.sep)
            start += room
        del held[:start]
        return examples, 0

    def rest(self) -> list[bytes]:
        """What was begun, as a shorter example."""
        if not self._held:
            return []
        example = self._frame.cls + bytes(self._held) + self._frame.sep
        self._held.clear()
        return [example]


def document_random(seed: int, document_hash: bytes) -> random.Random:
    """The generator of a document's random choices."""
    key = blake2b(document_hash, digest_size=16, salt=seed.to_bytes(8, "little", signed=True))
    return random.Random(int.from_bytes(key.digest(), "little"))


def pack_document(
    lines: Sequence[bytes], frame: Frame, rng: random.Random
) -> tuple[list[bytes], int]:
    """Packs the lines of one document into examples of one or two segments.

    Args:
      lines: The ids of each line.
      frame: Length and special tokens.
      rng: The document's own generator.

    Returns:
      The examples, unpadded, and the number of tokens that trimming left out.
    """
    unit, sequence_length = len(frame.sep), frame.sequence_length
    examples: list[bytes] = []
    collected: list[bytes] = []
    length = dropped = 0
    target = _draw_target(rng, sequence_length)

    def finish_example() -> int:
        first, second = _split(collected, target, unit, rng)
        first = first[: (sequence_length - 2) * unit]
        second = second[: max(0, (sequence_length - 3) * unit - len(first))]
        tail = second + frame.sep if second else b""
        examples.append(b"".join((frame.cls, first, frame.sep, tail)))
        return length - (len(first) + len(second)) // unit

    for line in lines:
        if not line:
            continue
        collected.append(line)
        length += len(line) // unit
        if length >= target:
            dropped += finish_example()
            collected, length = [], 0
            target = _draw_target(rng, sequence_length)
    if collected:
        dropped += finish_example()
    return examples, dropped


def _draw_target(rng: random.Random, sequence_length: int) -> int:
    """Tokens to collect for the next example; now and then few, so that short inputs are seen."""
    if rng.random() < SHORT_EXAMPLE_PROBABILITY:
        return rng.randint(SHORTEST_TARGET, sequence_length)
    return sequence_length


def _split(
    lines: Sequence[bytes], target: int, unit: int, rng: random.Random
) -> tuple[bytes, bytes]:
    """Divides lines between the two segments, at about half of the target."""
    # Now and then a single segment, as in classification tasks. Else half of what is left beside
    # [CLS] and two [SEP].
    single = rng.random() < SINGLE_SEGMENT_PROBABILITY
    first_target = (_UNREACHABLE if single else (target - 3) // 2) * unit
    first: list[bytes] = []
    second: list[bytes] = []
    filled = 0
    for line in lines:
        fits = not first or filled + len(line) < first_target
        # A line that crosses the middle goes to either side, once and by chance.
        if fits or (not second and filled < first_target and rng.random() < 0.5):
            first.append(line)
            filled += len(line)
        else:
            second.append(line)
    return b"".join(first), b"".join(second)
