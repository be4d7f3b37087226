"""Examples out of documents, as the reference's example builder makes them.

Source: google-research/electra, build_pretraining_dataset.py, class ExampleBuilder. Here the
randomness belongs to the document, so that examples do not depend on what stands beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

SINGLE_SEGMENT_PROBABILITY = 0.1
SHORT_EXAMPLE_PROBABILITY = 0.05
SHORTEST_TARGET = 5

# A length that no first segment reaches: everything goes into it.
_UNREACHABLE = 100_000


@dataclass
class Packed:
    """Examples of one document.

    Attributes:
      examples: Ids with [CLS] and [SEP], unpadded, each at most the sequence length.
      dropped: Tokens of the text that trimming left out.
    """

    examples: list[list[int]]
    dropped: int


def document_random(seed: int, document_hash: bytes) -> random.Random:
    """The generator of a document's random choices."""
    key = blake2b(document_hash, digest_size=16, salt=seed.to_bytes(8, "little", signed=True))
    return random.Random(int.from_bytes(key.digest(), "little"))


def pack_document(
    lines: Iterable[Sequence[int]],
    *,
    sequence_length: int,
    cls_id: int,
    sep_id: int,
    rng: random.Random,
) -> Packed:
    """Packs the lines of one document into examples of one or two segments.

    Args:
      lines: Ids of each line.
      sequence_length: Longest example, [CLS] and [SEP] included.
      cls_id: Id of [CLS].
      sep_id: Id of [SEP].
      rng: The document's own generator.
    """
    packed = Packed([], 0)
    collected: list[Sequence[int]] = []
    length = 0
    target = _draw_target(rng, sequence_length)

    def finish_example() -> None:
        first, second = _split(collected, target, rng)
        first = first[: sequence_length - 2]
        second = second[: max(0, sequence_length - len(first) - 3)]
        packed.dropped += length - len(first) - len(second)
        example = [cls_id, *first, sep_id]
        if second:
            example += [*second, sep_id]
        packed.examples.append(example)

    for line in lines:
        if not line:
            continue
        collected.append(line)
        length += len(line)
        if length >= target:
            finish_example()
            collected, length = [], 0
            target = _draw_target(rng, sequence_length)
    if collected:
        finish_example()
    return packed


def _draw_target(rng: random.Random, sequence_length: int) -> int:
    """Tokens to collect for the next example; now and then few, so that short inputs are seen."""
    if rng.random() < SHORT_EXAMPLE_PROBABILITY:
        return rng.randint(SHORTEST_TARGET, sequence_length)
    return sequence_length


def _split(
    lines: Sequence[Sequence[int]], target: int, rng: random.Random
) -> tuple[list[int], list[int]]:
    """Divides lines between the two segments, at about half of the target."""
    # Now and then a single segment, as in classification tasks. Else half of what is left beside
    # [CLS] and two [SEP].
    single = rng.random() < SINGLE_SEGMENT_PROBABILITY
    first_target = _UNREACHABLE if single else (target - 3) // 2
    first: list[int] = []
    second: list[int] = []
    for line in lines:
        fits = not first or len(first) + len(line) < first_target
        # A line that crosses the middle goes to either side, once and by chance.
        if fits or (not second and len(first) < first_target and rng.random() < 0.5):
            first += line
        else:
            second += line
    return first, second
