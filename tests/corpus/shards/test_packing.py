from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from electra_cli.corpus.shards.packing import Frame, FullPacker, document_random, pack_document
from tests.ids import as_bytes, ids_in

CLS, SEP = 2, 3


class Scripted(random.Random):
    """Gives the numbers it was given, so that an example can be worked by hand."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)

    def randint(self, low: int, high: int) -> int:
        number = self.numbers.pop(0)
        assert low <= number <= high
        return int(number)


@dataclass
class Packed:
    examples: list[list[int]]
    dropped: int


def frame(sequence_length):
    return Frame(sequence_length, as_bytes([CLS]), as_bytes([SEP]))


def pack_lines(lines, sequence_length, rng):
    examples, dropped = pack_document([as_bytes(ids) for ids in lines], frame(sequence_length), rng)
    return Packed([ids_in(example) for example in examples], dropped)


def pack(lengths, rng, sequence_length=16):
    """Packs lines of consecutive ids, beginning with 10."""
    lines, following = [], 10
    for length in lengths:
        lines.append(list(range(following, following + length)))
        following += length
    return pack_lines(lines, sequence_length, rng)


NO = 0.99  # neither short nor single, and the coin falls for the second segment


def test_two_segments_split_near_the_middle():
    # Target 16, first segment below (16 - 3) // 2 = 6: 3 + 2 fit, 3 more would not.
    packed = pack([3, 2, 3, 8], Scripted(NO, NO, NO, NO))
    first, second = [10, 11, 12, 13, 14], [15, 16, 17, 18, 19, 20, 21, 22]
    assert packed.examples == [[CLS, *first, SEP, *second, SEP]]
    assert packed.dropped == 3


def test_crossing_line_may_go_to_the_first_segment_but_nothing_after_it():
    packed = pack([3, 2, 3, 8], Scripted(NO, NO, 0.4, NO))
    first, second = list(range(10, 18)), list(range(18, 23))
    assert packed.examples == [[CLS, *first, SEP, *second, SEP]]
    assert packed.dropped == 3


def test_a_line_that_reaches_the_half_exactly_does_not_fit():
    packed = pack([3, 3, 10], Scripted(NO, NO, NO, NO))
    assert packed.examples[0][:5] == [CLS, 10, 11, 12, SEP]


def test_single_segment_takes_all_and_is_trimmed():
    packed = pack([3, 2, 3, 10], Scripted(NO, 0.05, NO))
    assert packed.examples == [[CLS, *range(10, 24), SEP]]
    assert packed.dropped == 4


def test_a_long_first_line_leaves_no_room_for_a_second():
    packed = pack([15, 5], Scripted(NO, NO, NO, NO, NO))
    # 15 tokens are below the target of 16, so a second line is awaited; of it, max(0, 16 - 14 - 3)
    # tokens are kept.
    assert packed.examples == [[CLS, *range(10, 24), SEP]]
    assert packed.dropped == 6


def test_short_target_ends_an_example_early_and_the_rest_follows():
    # First target drawn as 5, the second as 16; single segments.
    packed = pack([3, 2, 4], Scripted(0.04, 5, 0.05, NO, 0.05, NO))
    assert packed.examples == [[CLS, *range(10, 15), SEP], [CLS, *range(15, 19), SEP]]
    assert packed.dropped == 0


def test_lines_and_documents_without_tokens_make_nothing():
    assert pack([0, 0], Scripted(NO)).examples == []
    assert pack([], Scripted(NO)).examples == []
    assert pack([0, 2, 0], Scripted(NO, 0.05, NO)).examples == [[CLS, 10, 11, SEP]]


def slow_reference(lines, length, rng):
    """The same rules written down a second time: one token after the other, no early exits."""
    examples, buffer = [], []

    def draw():
        return rng.randint(5, length) if rng.random() < 0.05 else length

    def flush(target):
        half = 10**9 if rng.random() < 0.1 else (target - 3) // 2
        sides = {0: [], 1: []}
        for line in buffer:
            side = 1
            if not sides[0] or len(sides[0]) + len(line) < half:
                side = 0
            elif not sides[1] and len(sides[0]) < half:
                side = 0 if rng.random() < 0.5 else 1
            for token in line:
                sides[side].append(token)
        while len(sides[0]) > length - 2:
            sides[0].pop()
        while sides[1] and len(sides[0]) + len(sides[1]) + 3 > length:
            sides[1].pop()
        row = [CLS] + sides[0] + [SEP]
        if sides[1]:
            row += sides[1] + [SEP]
        examples.append(row)
        buffer.clear()

    target = draw()
    for line in lines:
        if line:
            buffer.append(line)
            if sum(len(one) for one in buffer) >= target:
                flush(target)
                target = draw()
    if buffer:
        flush(target)
    return examples


def random_lines(rng, count):
    return [[rng.randint(10, 500)] * rng.choice([0, 1, 2, 5, 9, 20, 60]) for _ in range(count)]


@pytest.mark.parametrize("length", [8, 32, 128])
def test_equals_a_second_version(length):
    source = random.Random(5)
    for number in range(200):
        lines = random_lines(source, source.randint(0, 40))
        packed = pack_lines(lines, length, document_random(1, bytes([number])))
        expected = slow_reference(lines, length, document_random(1, bytes([number])))
        assert packed.examples == expected
        kept = sum(sum(id_ not in (CLS, SEP) for id_ in example) for example in expected)
        assert packed.dropped == sum(map(len, lines)) - kept
        assert all(2 < len(example) <= length for example in packed.examples)


def test_shares_of_single_segments_and_short_targets():
    # Lines of one token fill the target exactly, so that the length tells the target.
    rng = document_random(0, b"statistics")
    packed = pack_lines([[10]] * 400_000, 64, rng)
    examples = packed.examples[:-1]
    single = sum(example.count(SEP) == 1 for example in examples) / len(examples)
    assert single == pytest.approx(0.1, abs=0.015)
    # Targets of 62 and more fill the row: 3 of the 60 values in [5, 64].
    short = sum(len(example) < 64 for example in examples) / len(examples)
    assert short == pytest.approx(0.05 * 57 / 60, abs=0.01)
    shortest = min(len(example) for example in examples)
    assert shortest in (7, 8)


def test_randomness_belongs_to_the_document_and_the_seed():
    draws = {
        (seed, name): document_random(seed, name).random()
        for seed in (0, 1, 2**62)
        for name in (b"a", b"b")
    }
    assert len(set(draws.values())) == 6
    assert document_random(1, b"a").random() == draws[1, b"a"]


def full(*documents, length=8):
    packer = FullPacker(frame(length))
    examples = []
    for lines in documents:
        added, dropped = packer.add([as_bytes(ids) for ids in lines], b"")
        assert dropped == 0
        examples += added
    return [ids_in(example) for example in [*examples, *packer.rest()]]


def test_full_rows_run_over_lines_and_documents():
    examples = full([[10, 11], [12]], [[20, 21, 22, 23, 24, 25]], [], [[30]])
    assert examples == [
        [CLS, 10, 11, 12, SEP, 20, 21, SEP],
        [CLS, 22, 23, 24, 25, SEP, 30, SEP],
    ]


def test_full_rows_of_a_long_document_have_no_padding():
    [*whole, last] = full([[10] * 50], length=8)
    assert all(row == [CLS, *[10] * 6, SEP] for row in whole)
    assert (len(whole), last) == (8, [CLS, 10, 10, SEP])


def test_full_rows_never_have_two_separators_side_by_side():
    # The first document ends where a row ends; the second one place before that.
    assert full([[10] * 6], [[20] * 5], [[30] * 3]) == [
        [CLS, *[10] * 6, SEP],
        [CLS, *[20] * 5, SEP],
        [CLS, 30, 30, 30, SEP],
    ]


def test_full_rows_hold_every_token_once_in_order():
    rng = random.Random(3)
    documents = [random_lines(rng, rng.randint(0, 9)) for _ in range(200)]
    examples = full(*documents, length=16)
    tokens = [id_ for row in examples for id_ in row if id_ not in (CLS, SEP)]
    assert tokens == [id_ for lines in documents for ids in lines for id_ in ids]
    assert sum(16 - len(row) for row in examples[:-1]) <= len(documents)
