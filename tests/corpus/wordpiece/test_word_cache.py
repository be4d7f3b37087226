"""Parts of white-space words: cutting them changes nothing that is made of them."""

from __future__ import annotations

import random
import unicodedata
from itertools import chain

import numpy as np
import pytest

from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.tokenizer import (
    WordSplitter,
    is_piece,
    is_removed,
    split_words,
)
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS
from electra_cli.corpus.wordpiece.word_cache import find_parts
from tests.corpus.reference_words import CASINGS, reference_words
from tests.ids import ids_in

# Letters with and without case, sigmas and what they look through, marks of several classes,
# ideographs that are cut, and that are not: rare ones, compatible ones, and the first free place.
AWKWARD = [
    *"aAΣΣΣςéİıßǅ中中中文一龿字かガーがーนิ้กខ្ម각", *"'.:·’^`¨ªʰ-,!。，．：、「」・…—",
    *"\u0301\u0323\u0345\u3099\u302a\ufe00\U000e0100\u0338",
    *"\u00ad\u200b\u200d\x00\x0b\x1f\x85\ufffd\ue000\u9fff\u4dbf㐀䷿鿀豈\ufa6e\ufa70𠀀𪜀\U0002ebe0\U0002fa20😀",
    *" \t\u3000\u00a0\u2028",
]  # fmt: skip


def awkward_lines(count: int, longest: int = 14) -> list[str]:
    chosen = random.Random(0)
    return [
        "".join(chosen.choices(AWKWARD, k=chosen.randint(1, longest))).strip() for _ in range(count)
    ]


def octets_of(text: str) -> np.ndarray:
    return np.frombuffer(f"\n{text}\n".encode(), np.uint8)


def parts_of(text: str) -> tuple[list[str], int]:
    """The parts of a text, and how many of them continue a word."""
    octets = octets_of(text)
    begins, ends, continuing = find_parts(octets)
    raw = octets.tobytes()
    parts = [raw[begin:end].decode() for begin, end in zip(begins, ends, strict=True)]
    assert set(continuing) <= set(begins)
    return parts, len(continuing)


def test_words_are_cut_around_common_ideographs_and_nowhere_else() -> None:
    every = [chr(code) for code in (*range(0x21, 0xD800), *range(0xE000, 0x30000, 3))]
    text = " ".join(f"a{character}b" for character in every)
    begins, _, continuing = find_parts(octets_of(text))
    words = np.searchsorted(np.setdiff1d(begins, continuing), continuing, side="right") - 1
    numbers, cuts = np.unique(words, return_counts=True)
    cut = [every[number] for number in numbers]
    assert (cut[0], cut[-1], len(cut)) == ("\u4e00", "\u9fbf", 0x9FBF - 0x4E00 + 1)
    assert (cuts == 2).all()


def test_nothing_reaches_over_a_character_that_is_cut_around() -> None:
    """Neither a sigma that looks for letters, nor a mark that looks for what it stands on."""
    for code in range(0x4E00, 0x9FC0):
        character = chr(code)
        assert is_piece(character)
        assert not is_removed(character)
        assert not unicodedata.combining(character)
        assert unicodedata.normalize("NFD", character) == character
        assert f"Α{character}ΣΑ{character}".lower() == f"α{character}σα{character}"


@pytest.mark.parametrize(
    ("text", "parts", "continuing"),
    [
        ("", [], 0),
        ("ab c", ["ab", "c"], 0),
        ("中", ["中"], 0),
        ("中文 字", ["中", "文", "字"], 1),
        ("ab中cd。」文", ["ab", "中", "cd。」", "文"], 3),
        ("中\nかな文", ["中", "かな", "文"], 1),
        ("㐀中𠀀é\U0001f600", ["㐀", "中", "𠀀é\U0001f600"], 2),
    ],
)
def test_parts_and_how_many_words_they_are_of(text: str, parts: list[str], continuing: int) -> None:
    assert parts_of(text) == (parts, continuing)


@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_parts_have_the_words_of_the_whole(lowercase: bool, strip_accents: bool) -> None:
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    split = WordSplitter(**options)
    for line in awkward_lines(6000):
        words = split_words(line)
        parts, continuing = parts_of(" ".join(words))
        assert len(parts) - continuing == len(words)
        assert "".join(parts) == "".join(words)
        found = [word for part in parts for word in split(part)]
        assert found == reference_words(line, **options), line


TOKENS = [
    *SPECIAL_TOKENS, "a", "##a", "σ", "##σ", "##ς", "aσ", "##aσ", "中", "文", "字", "か", "##か",
    "かか", "。", "，", "'", ".", "-", "กน", "##น", "e", "##e", "一",
]  # fmt: skip


def reference_ids(text: str) -> list[int]:
    """Word pieces by the rule of the reference, one character less at a time."""
    ids: list[int] = []
    for word in reference_words(text, lowercase=True, strip_accents=True):
        pieces: list[int] = []
        start = 0
        while start < len(word) <= 200:
            for end in range(len(word), start, -1):
                token = ("##" if start else "") + word[start:end]
                if token in TOKENS:
                    break
            else:
                pieces = []
                break
            pieces.append(TOKENS.index(token))
            start = end
        ids += pieces or [TOKENS.index("[UNK]")]
    return ids


@pytest.mark.parametrize("stretch_bytes", [1, 8, 2**18])
def test_lines_of_parts_are_encoded_and_counted_as_wholes(stretch_bytes: int) -> None:
    """Parts of one word may lie in different stretches, and in each be unknown."""
    lines = awkward_lines(700, 40)
    lines += ["中" * 300 + "q" + "文" * 300, "か" * 200, "か" * 201, "中" + "か" * 201 + "文q"]
    split = WordSplitter(lowercase=True, strip_accents=True)
    encoder = LineEncoder(TOKENS, split, "uint16", stretch_bytes=stretch_bytes, slot_bits=6)
    found = encoder.encode(lines)
    expected = [[reference_ids(word) for word in split_words(line)] for line in lines]
    unknown = TOKENS.index("[UNK]")
    assert [ids_in(line) for line in found.lines] == [list(chain(*words)) for words in expected]
    assert found.words == np.cumsum([len(words) for words in expected]).tolist()
    assert found.unknown_tokens == sum(ids.count(unknown) for words in expected for ids in words)
    assert found.unknown_words == [
        word
        for line, words in zip(lines, expected, strict=True)
        for word, ids in zip(split_words(line), words, strict=True)
        if unknown in ids
    ]
