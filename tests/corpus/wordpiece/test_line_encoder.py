"""Many lines at once, and the cache of words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter, split_words
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS, load_vocabulary
from electra_cli.corpus.wordpiece.word_cache import PADDING, WordCache, find_words, word_keys
from tests.corpus.wordpiece.test_tokenizer import GOLDEN, golden_encoder, golden_lines
from tests.ids import ids_in


def golden_line_encoder(
    dtype: Any = "uint16", *, uncased: bool = True, **limits: int
) -> LineEncoder:
    split = WordSplitter(lowercase=uncased, strip_accents=uncased)
    return LineEncoder(load_vocabulary(GOLDEN / "vocab.txt"), split, dtype, **limits)


def encoded(encoder: LineEncoder, lines: Sequence[str]) -> list[list[int]]:
    return [ids_in(line) for line in encoder.encode(lines).lines]


def keys_of(words: Sequence[bytes]) -> tuple[Any, Any]:
    text = b"\n" + b" ".join(words) + b"\n"
    begins, ends = find_words(np.frombuffer(text, np.uint8))
    assert [text[a:b] for a, b in zip(begins, ends, strict=True)] == list(words)
    return word_keys(text + PADDING, begins, ends - begins)


@pytest.mark.parametrize(("field", "uncased"), [("lower_ids", True), ("cased_ids", False)])
def test_ids_are_the_references_on_every_golden_line(field: str, uncased: bool) -> None:
    encoder = golden_line_encoder(uncased=uncased)
    lines = golden_lines()
    texts, expected = [x["text"] for x in lines], [x[field] for x in lines]
    for _ in range(2):  # the second time from the cache
        assert encoded(encoder, texts) == expected
        assert [encoded(encoder, [text])[0] for text in texts] == expected


@pytest.mark.parametrize("stretch_bytes", [1, 7, 64])
@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_neither_stretches_nor_a_full_cache_show(stretch_bytes: int, dtype: Any) -> None:
    """With 16 slots nearly every word drives another one out."""
    encoder = golden_line_encoder(
        dtype, stretch_bytes=stretch_bytes, most_ids=40, most_long_words=1, slot_bits=4
    )
    lines = golden_lines()
    found = encoder.encode([line["text"] for line in lines])
    ids = [np.frombuffer(line, np.dtype(dtype).newbyteorder("<")).tolist() for line in found.lines]
    assert ids == [line["lower_ids"] for line in lines]


def test_words_of_every_length_are_told_apart() -> None:
    """Neighbours differ in a single byte, at every place of words of up to 15 bytes."""
    words = {b"x" * size for size in range(1, 16)}
    words |= {
        b"x" * place + b"y" + b"x" * (size - place - 1)
        for size in range(1, 16)
        for place in range(size)
    }
    ordered = sorted(words)
    random.Random(0).shuffle(ordered)
    heads, tails = keys_of(ordered)
    assert len(set(zip(heads.tolist(), tails.tolist(), strict=True))) == len(ordered) == 135
    cache = WordCache()
    values = np.arange(len(ordered))
    cache.add(heads, tails, values)
    found, known = cache.find(heads, tails)
    assert known.mean() > 0.99  # of two with one slot only the last was kept
    np.testing.assert_array_equal(found[known], values[known])
    assert not cache.find(*keys_of([b"z", b"x" * 7 + b"z"]))[1].any()


def test_a_full_table_forgets_and_never_errs() -> None:
    heads, tails = keys_of([b"%d" % number for number in range(200)])
    cache = WordCache(slot_bits=3)
    for number in range(200):
        cache.add(heads[[number]], tails[[number]], np.array([number]))
    values, known = cache.find(heads, tails)
    assert 4 <= known.sum() <= 8
    np.testing.assert_array_equal(values[known], np.flatnonzero(known))


def test_words_and_unknown_ones_are_counted() -> None:
    split = WordSplitter(lowercase=True, strip_accents=True)
    encoder = LineEncoder([*SPECIAL_TOKENS, "abc", "d", "-"], split, "uint16")
    lines = ["a\x0cbc  d\u3000d", "", "\u00a0", "q d q-q d-q", "\x00 d"]
    for _ in range(2):
        found = encoder.encode(lines)
        assert [ids_in(line) for line in found.lines] == [
            [5, 6, 6],
            [],
            [],
            [1, 6, 1, 7, 1, 6, 7, 1],
            [6],
        ]
        assert found.words == [3, 3, 3, 7, 9]
        assert found.unknown_tokens == 4
        assert found.unknown_words == ["q", "q-q", "d-q"]
    assert encoder.encode([]).lines == []


def test_any_text_is_what_the_tokenizer_makes_of_its_words() -> None:
    by_word = golden_encoder(uncased=True)
    encoder = golden_line_encoder()
    rng = random.Random(0)
    letters = list("aehinorst") * 4 + list(
        "AEé中\u0301\u200d\x01.,'\u2019 \t\r\x0b\x1f\u2028\u3000😀"
    )
    lines = ["".join(rng.choices(letters, k=rng.randint(0, 150))) for _ in range(2000)]
    lines += [
        "ab" * 30_000,
        "中" * 30_000,
        "a " * 30_000,
        *("x" * n for n in (14, 15, 16, 63, 64, 65)),
    ]
    expected = [ids_in(b"".join(map(by_word.encode, split_words(line)))) for line in lines]
    assert encoded(encoder, lines) == expected
