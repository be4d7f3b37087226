"""The tokenizer, against an implementation of the reference's rules that shares nothing with it."""

from __future__ import annotations

import json
import random
import time

import pytest

from electra_cli.corpus.wordpiece.tokenizer import WordEncoder, WordSplitter, split_words
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS, load_vocabulary
from tests import places
from tests.corpus.reference_words import CASINGS, different_characters, reference_words
from tests.ids import ids_in

GOLDEN = places.GOLDEN / "tokenization"


def golden_lines() -> list[dict]:
    with (GOLDEN / "lines.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def small_encoder(pieces: list[str], *, lowercase=True, strip_accents=True) -> WordEncoder:
    split = WordSplitter(lowercase=lowercase, strip_accents=strip_accents)
    return WordEncoder([*SPECIAL_TOKENS, *pieces], split, "uint16")


def golden_encoder(*, uncased: bool, at_once: int = 2**10) -> WordEncoder:
    split = WordSplitter(lowercase=uncased, strip_accents=uncased, at_once=at_once)
    return WordEncoder(load_vocabulary(GOLDEN / "vocab.txt"), split, "uint16")


def words_of(split: WordSplitter, text: str) -> list[str]:
    return [word for raw in split_words(text) for word in split(raw)]


@pytest.mark.parametrize(("field", "uncased"), [("lower_ids", True), ("cased_ids", False)])
def test_ids_are_the_references_on_every_golden_line(field, uncased):
    encode = golden_encoder(uncased=uncased).encode
    lines = golden_lines()
    assert len(lines) == 459
    found = [ids_in(b"".join(map(encode, split_words(line["text"])))) for line in lines]
    assert found == [line[field] for line in lines]


@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_words_of_the_golden_lines_are_those_of_the_rules(lowercase, strip_accents):
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    split = WordSplitter(**options)
    for line in golden_lines():
        assert words_of(split, line["text"]) == reference_words(line["text"], **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\U0002b820b a\U0002b91fb", ["a", "\U0002b820", "b", "a", "\U0002b91f", "b"]),
        ("a\u0ebab a\u1df6b a\u08d3b a\u0c3cb a\U0001e94ab", ["ab"] * 5),
        ("a\u08e2b a\U000110cdb a\u180eb a\u2065b a\ue000b a\U000e1000b", ["ab"] * 6),
        ("\u2c2f \ua7c0 \U00010594", ["\u2c5f", "\ua7c1", "\U000105bb"]),
        ("a\u061db a\u2e5db a\u166db", ["a", "\u061d", "b", "a", "\u2e5d", "b", "a\u166db"]),
        ("a\u1734b \U00011938", ["a\u1734b", "\U00011935\U00011930"]),
        ("\u2260a \u037e \u1fef", ["=", "a", ";", "`"]),
    ],
    ids=["ideograph", "mark", "removed", "capital", "punctuation", "spacing-mark", "decomposed"],
)  # fmt: skip
def test_characters_that_other_tables_know_otherwise(text, expected):
    assert words_of(WordSplitter(lowercase=True, strip_accents=True), text) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_every_character_is_what_the_reference_takes_it_for(lowercase, strip_accents):
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    split = WordSplitter(**options)
    found = different_characters(lambda texts: [words_of(split, x) for x in texts], **options)
    assert found == []


def test_words_up_to_200_characters_are_split():
    encode = small_encoder(["a", "##a", "é", "##é"], strip_accents=False).encode
    unknown = SPECIAL_TOKENS.index("[UNK]")
    for letter, first in (("a", 5), ("é", 7)):
        assert ids_in(encode(letter * 200)) == [first] + [first + 1] * 199
        assert ids_in(encode(letter * 201)) == [unknown]
    long = small_encoder(["a" * 201]).encode
    assert ids_in(long("a" * 201)) == [unknown]


def test_pieces_are_the_longest_that_fit_in_any_vocabulary():
    """Also where the longest that begins as the word does is not there, or goes on otherwise."""
    rng = random.Random(0)
    for _ in range(60):
        pieces = {"".join(rng.choices("abc", k=rng.randint(1, 6))) for _ in range(12)}
        tokens = sorted(
            pieces | {f"##{piece}" for piece in rng.sample(sorted(pieces), len(pieces) * 3 // 4)}
        )
        encode = small_encoder(tokens).encode
        known = [*SPECIAL_TOKENS, *tokens]
        for _ in range(60):
            word = "".join(rng.choices("aabbc", k=rng.randint(1, 14)))
            expected, rest = [], word
            while rest:
                prefix = "##" if expected else ""
                lengths = range(len(rest), 0, -1)
                length = next((n for n in lengths if prefix + rest[:n] in tokens), 0)
                if not length:
                    expected = [SPECIAL_TOKENS.index("[UNK]")]
                    break
                expected.append(known.index(prefix + rest[:length]))
                rest = rest[length:]
            assert ids_in(encode(word)) == expected, (word, tokens)


def test_literal_special_tokens_are_characters():
    encode = small_encoder(["[", "]", "mask", "sep"]).encode
    assert ids_in(encode("[MASK][SEP]")) == [5, 7, 6, 5, 8, 6]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [(True, True, 5), (True, False, 6), (False, True, 7), (False, False, 8)],
)
def test_case_and_accents_are_apart(lowercase, strip_accents, expected):
    encoder = small_encoder(
        ["cafe", "café", "Cafe", "Café"], lowercase=lowercase, strip_accents=strip_accents
    )
    assert ids_in(encoder.encode("Café")) == [expected]


def test_final_sigma_is_lowered_as_python_does():
    split = WordSplitter(lowercase=True, strip_accents=True)
    assert words_of(split, "ΣΑΣ Σας ΑΣ, Σ ΑΣ中Σ") == [
        "σας", "σας", "ας", ",", "σ", "ας", "中", "σ",
    ]  # fmt: skip


def test_final_sigma_in_any_text():
    rng = random.Random(0)
    letters = "ΣΣΣΑαa'.·’:-,\u00ad\u0301\u0345\u200d\x00\x08\ufffd\ue000 \t\n\u2028中1ʰΌª^`\u00a8!"
    texts = ["".join(rng.choices(letters, k=rng.randint(2, 12))) for _ in range(5000)]
    texts += ["Α" + "'" * 199 + "Σ", "中Σ" * 3, "ΟΔΟΣ'", "ΑΣ\nΑ"]
    options = {"lowercase": True, "strip_accents": True}
    split = WordSplitter(**options)
    for text in texts:
        assert words_of(split, text) == reference_words(text, **options), text


@pytest.mark.parametrize("unit", ["中Σ", "'Σ", "Σ", "\u0301\u0323", "'", "ⱟ\u1df6"])
def test_a_long_word_takes_no_long_time(unit):
    """A word of Chinese can be of any length; sorting many accents would take its square."""
    encode = golden_encoder(uncased=True).encode
    started = time.perf_counter()
    encode(unit * (200_000 // len(unit)))
    assert time.perf_counter() - started < 10


def test_a_word_without_end_is_not_held_to_its_end():
    started = time.perf_counter()
    assert ids_in(golden_encoder(uncased=True, at_once=16).encode("xé" * 500_000)) == [1]
    assert time.perf_counter() - started < 10


def test_controls_join_words_where_python_would_split_them():
    assert split_words("a\x0cb\x85c d\u2028e") == ["abc", "d", "e"]


@pytest.mark.parametrize("uncased", [True, False])
def test_words_of_plain_characters_take_no_other_way_in_the_end(uncased):
    """What is common in English is lowered and split by itself."""
    split = WordSplitter(lowercase=uncased, strip_accents=uncased)
    rng = random.Random(0)
    plain = [chr(code) for code in range(33, 127)] + list(
        "\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
    )
    others = list("eatéÉ中\x00\x7f\u00ad")
    words = ["".join(rng.choices(plain, k=rng.randint(1, 12))) for _ in range(3000)]
    words += ["".join(rng.choices(plain + others, k=rng.randint(1, 12))) for _ in range(3000)]
    words += ["a" * 200, "a" * 201, "A" * 199 + ".", "x" * 250 + "!", "'" * 300]
    for word in words:
        expected = reference_words(word, lowercase=uncased, strip_accents=uncased)
        assert split(word) == expected, word


@pytest.mark.parametrize("uncased", [True, False])
@pytest.mark.parametrize(
    "alphabet",
    [
        "abc,.;'x", "中文字。、，a", "ΑΣς'.:·Σ\u00ad", "ΣΆά\ufffd\u200b!", "กขิ้", "กขิ้-",
        "é\u0301\u0323ộ'", "\u0301\u0323", "😀❤\ufe0f", "≠=≮", "각ᄀ힣", "İIı'Σ",
        "\ufffd\ue000", "𠀀𪜀𫠠中a", "ab—", "a’Σ”", "ཀཁ་", "🥹🫠", "éé中",
        "é—=\u0338", "\u30fb\uff65ア", "a", "ab",
    ],
)  # fmt: skip
def test_very_long_words_are_split_part_by_part(alphabet, uncased):
    """Any place may be where two parts meet, and a word may reach over many of them."""
    chosen = random.Random(alphabet)
    for length in (7, 100, 1000, 5000):
        word = "".join(chosen.choices(alphabet, k=length))
        expected = reference_words(word, lowercase=uncased, strip_accents=uncased)
        for at_once in (1, 5, 64, 2**14):
            split = WordSplitter(lowercase=uncased, strip_accents=uncased, at_once=at_once)
            found = [piece for part in split.parts(word) for piece in part]
            assert [piece[:201] for piece in found] == [piece[:201] for piece in expected]


def test_ids_of_a_very_long_word():
    encode = small_encoder(["a", "##b", "中", "."]).encode
    assert ids_in(encode("ab中." * 5000 + "x" * 50_000)) == [5, 6, 7, 8] * 5000 + [1]
