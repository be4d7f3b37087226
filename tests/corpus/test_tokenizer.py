from __future__ import annotations

import json
import random
import time
import unicodedata
from pathlib import Path

import pytest

from electra_cli.corpus.tokenizer import WordEncoder, build_normalizer, build_tokenizer, split_words
from electra_cli.corpus.vocabulary import SPECIAL_TOKENS
from tests.ids import ids_in

GOLDEN = Path(__file__).parents[1] / "golden" / "tokenization"


def golden_lines() -> list[dict]:
    with (GOLDEN / "lines.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def small_tokenizer(tmp_path: Path, pieces: list[str], *, lowercase=True, strip_accents=True):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL_TOKENS, *pieces]) + "\n", encoding="utf-8")
    return build_tokenizer(path, lowercase=lowercase, strip_accents=strip_accents)


@pytest.mark.parametrize(("field", "uncased"), [("lower_ids", True), ("cased_ids", False)])
def test_ids_are_the_references_on_every_golden_line(field, uncased):
    tokenizer = build_tokenizer(GOLDEN / "vocab.txt", lowercase=uncased, strip_accents=uncased)
    lines = golden_lines()
    assert len(lines) == 459
    whole = [tokenizer.encode(line["text"], add_special_tokens=False).ids for line in lines]
    assert whole == [line[field] for line in lines]
    encode = WordEncoder(tokenizer, "uint16").encode
    by_words = [ids_in(b"".join(map(encode, split_words(line["text"])))) for line in lines]
    assert by_words == whole


def test_words_up_to_200_characters_are_split(tmp_path):
    tokenizer = small_tokenizer(tmp_path, ["a", "##a"])
    assert tokenizer.encode("a" * 200).tokens == ["a"] + ["##a"] * 199
    assert tokenizer.encode("a" * 201).tokens == ["[UNK]"]


def test_literal_special_tokens_are_characters(tmp_path):
    tokenizer = small_tokenizer(tmp_path, ["[", "]", "mask", "sep"])
    assert tokenizer.encode("[MASK][SEP]").tokens == ["[", "mask", "]", "[", "sep", "]"]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "expected"),
    [
        (True, True, "cafe"),
        (True, False, "café"),
        (False, True, "Cafe"),
        (False, False, "Café"),
    ],
)
def test_case_and_accents_are_apart(tmp_path, lowercase, strip_accents, expected):
    tokenizer = small_tokenizer(
        tmp_path,
        ["cafe", "café", "Cafe", "Café"],
        lowercase=lowercase,
        strip_accents=strip_accents,
    )
    assert tokenizer.encode("Café").tokens == [expected]


def test_final_sigma_is_lowered_as_python_does(tmp_path):
    tokenizer = small_tokenizer(tmp_path, ["σας", "σασ", "ας", "σ"])
    assert tokenizer.encode("ΣΑΣ Σας ΑΣ, Σ").tokens == ["σας", "σας", "ας", "[UNK]", "σ"]


def reference_lowered(text: str) -> str:
    """The reference cleans the text and then lowers each white-space word."""
    kept = (c for c in text if c in "\t\n\r" or unicodedata.category(c)[0] != "C")
    return " ".join(word.lower() for word in "".join(kept).replace("\ufffd", "").split())


def sigmas(text: str) -> list[str]:
    return [c for c in text if c in "σς"]


def test_final_sigma_beside_every_character():
    """Punctuation, accents and format characters too, which do not end a word for Python."""
    assigned = (chr(code) for code in range(0x21, 0x20000))
    characters = [c for c in assigned if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    normalize = build_normalizer(lowercase=True, strip_accents=False).normalize_str
    different = []
    for c in characters:
        text = f"Α{c}Σ {c}Σ ΑΣ{c} ΑΣ{c}Α"
        if sigmas(normalize(text)) != sigmas(reference_lowered(text)):
            different.append(c)
    # Of these another version of Unicode thinks otherwise.
    assert len(different) < 0.001 * len(characters), different


def test_final_sigma_in_any_text():
    rng = random.Random(0)
    letters = "ΣΣΣΑαa'.·’:-,\u00ad\u0301\u0345\u200d\x00\x08\ufffd\ue000 \t\n\u2028中1ʰΌª^`\u00a8!"
    texts = ["".join(rng.choices(letters, k=rng.randint(2, 12))) for _ in range(5000)]
    texts += ["Α" + "'" * 199 + "Σ", "中Σ" * 3, "ΟΔΟΣ'", "ΑΣ\nΑ"]
    tokenizer = build_tokenizer(GOLDEN / "vocab.txt", lowercase=True, strip_accents=True)
    encode = WordEncoder(tokenizer, "uint16").encode
    normalize = tokenizer.normalizer.normalize_str
    for text in texts:
        lowered = unicodedata.normalize("NFD", reference_lowered(text))
        kept = "".join(c for c in lowered if unicodedata.category(c) != "Mn")
        assert normalize(" ".join(split_words(text))).split() == normalize(kept).split(), text
        expected = tokenizer.encode(kept, add_special_tokens=False).ids
        assert ids_in(b"".join(map(encode, split_words(text)))) == expected, text


def test_a_long_word_of_sigmas_takes_no_long_time():
    """A word of Chinese can be of any length, and one that looks far back for a letter too."""
    normalize = build_normalizer(lowercase=True, strip_accents=True).normalize_str
    started = time.perf_counter()
    for text in ("中Σ" * 50_000, "'Σ" * 50_000, "Σ" * 100_000, "'" * 100_000 + "Σ"):
        normalize(text)
    assert time.perf_counter() - started < 10


def test_controls_join_words_where_python_would_split_them():
    assert split_words("a\x0cb\x85c d\u2028e") == ["abc", "d", "e"]


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_by_themselves_are_what_the_whole_tokenizer_makes_of_them(lowercase):
    tokenizer = build_tokenizer(GOLDEN / "vocab.txt", lowercase=lowercase, strip_accents=False)
    encode = WordEncoder(tokenizer, "uint16").encode
    rng = random.Random(0)
    plain = [chr(code) for code in range(33, 127)] + list(
        "\u2013\u2014\u2018\u2019\u201c\u201d\u2026"
    )
    others = list("eatéÉ中\x00\x7f\u00ad")
    words = ["".join(rng.choices(plain, k=rng.randint(1, 12))) for _ in range(3000)]
    words += ["".join(rng.choices(plain + others, k=rng.randint(1, 12))) for _ in range(3000)]
    words += ["a" * 200, "a" * 201, "A" * 199 + ".", "x" * 250 + "!", "'" * 300]
    for word in words:
        expected = tokenizer.encode(word, add_special_tokens=False).ids
        assert ids_in(encode(word)) == expected, word


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize(
    "alphabet",
    [
        "abc,.;'x", "中文字。、，a", "ΑΣς'.:·Σ\u00ad", "ΣΆά\ufffd\u200b!", "กขิ้", "กขิ้-",
        "é\u0301\u0323ộ'", "\u0301\u0323", "😀❤\ufe0f", "≠=≮", "각ᄀ힣", "İIı'Σ",
        "\ufffd\ue000", "𠀀𪜀中a", "ab—", "a’Σ”", "ཀཁ་", "🥹🫠", "éé中",
        "é—=\u0338", "\u30fb\uff65ア",
    ],
)  # fmt: skip
def test_very_long_words_are_cut_without_other_ids(tmp_path, alphabet, lowercase):
    """Long enough to be cut, and to be seen at once as too long to be split."""
    pieces = {low for c in [*alphabet, *"eσς"] for low in (c, c.lower())}
    tokenizer = small_tokenizer(
        tmp_path, sorted({*pieces, *("##" + piece for piece in pieces)}),
        lowercase=lowercase, strip_accents=lowercase,
    )  # fmt: skip
    encoder, chosen = WordEncoder(tokenizer, "uint16"), random.Random(alphabet)
    for length in (2**14 + 1, 50_000):
        word = "".join(chosen.choices(alphabet, k=length))
        assert ids_in(encoder.encode(word)) == tokenizer.encode(word, add_special_tokens=False).ids
        for head in alphabet:  # one that is a piece of its own too, before many that are not
            many = head + alphabet[0] * length + word
            expected = tokenizer.encode(many, add_special_tokens=False).ids
            assert ids_in(encoder.encode(many)) == expected
