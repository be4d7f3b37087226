"""Ids of texts are those of pretraining, and pieces know the characters they came from."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS, load_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from tests import places

_GOLDEN = places.GOLDEN / "tokenization"
_CASINGS = [(True, True), (False, False), (True, False), (False, True)]


def _tokenizer(*, lowercase: bool = True, strip_accents: bool = True) -> WordPieceTokenizer:
    options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
    return WordPieceTokenizer(load_vocabulary(_GOLDEN / "vocab.txt"), options)


def _small(*pieces: str, uncased: bool = True) -> WordPieceTokenizer:
    options = TokenizerOptions(lowercase=uncased, strip_accents=uncased)
    return WordPieceTokenizer([*SPECIAL_TOKENS, *pieces], options)


def _characters(tokenizer: WordPieceTokenizer, text: str) -> list[str]:
    pieces = tokenizer.pieces(text)
    return [text[begin:end] for begin, end in zip(pieces.begins, pieces.ends, strict=True)]


@pytest.mark.parametrize(("field", "uncased"), [("lower_ids", True), ("cased_ids", False)])
def test_ids_are_the_references(field: str, uncased: bool) -> None:
    """On every recorded line: one by one, all at once, and with their characters."""
    tokenizer = _tokenizer(lowercase=uncased, strip_accents=uncased)
    lines = (_GOLDEN / "lines.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    expected = [json.loads(line)[field] for line in lines]
    assert [ids.tolist() for ids in tokenizer.ids(texts)] == expected
    assert [next(tokenizer.ids([text])).tolist() for text in texts] == expected
    for text, ids in zip(texts, expected, strict=True):
        pieces = tokenizer.pieces(text)
        assert pieces.ids.tolist() == ids
        assert (pieces.begins < pieces.ends).all()
        assert (np.diff(pieces.begins) >= 0).all()
        assert (np.diff(pieces.ends) >= 0).all()
        assert (pieces.ends <= len(text)).all()


@pytest.mark.parametrize(("lowercase", "strip_accents"), _CASINGS)
def test_pieces_come_from_their_characters(lowercase: bool, strip_accents: bool) -> None:
    """Whatever stands within a word, its pieces begin and end with it."""
    tokenizer = _tokenizer(lowercase=lowercase, strip_accents=strip_accents)
    codes = [*range(0x3100), *range(0x3100, 0x110000, 61)]
    texts = [f"A{chr(code)}b x" for code in codes if not 0xD800 <= code < 0xE000]
    for text, ids in zip(texts, tokenizer.ids(texts), strict=True):
        pieces = tokenizer.pieces(text)
        assert pieces.ids.tolist() == ids.tolist(), ascii(text)
        assert pieces.begins[0] == 0, ascii(text)
        assert pieces.ends[-2:].tolist() == [3, 5], ascii(text)


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("AbC, ab", ["Ab", "C", ",", "ab"]),
        (" \t ab\u00a0c\n", ["ab", "c"]),
        ("äb a\u0308b", ["äb", "a\u0308b"]),
        ("bä ba\u0308\u0323", ["b", "ä", "b", "a\u0308\u0323"]),  # accents belong to their letter
        ("a\x00b\u00adc", ["a\x00b", "c"]),  # what is removed belongs to a piece if it is within
        ("\x00\x01", []),
        ("a\x0bb", ["a\x0bb"]),  # not a separator, as in the reference
        ("zz ab?", ["zz", "ab", "?"]),  # unknown
        ("[UNK]", ["[", "UNK", "]"]),
        ("東ab京", ["東", "ab", "京"]),
        ("한", ["한", "한"]),  # two pieces of one character's letters
        ("İb", ["İ", "b"]),
        ("c" * 300 + " a" + "b" * 2000 + ",c", ["c" * 300, "a" + "b" * 2000, ",", "c"]),
    ],
)
def test_characters_of_pieces(text: str, characters: list[str]) -> None:
    """As a person would mark them in the text."""
    hangul = unicodedata.normalize("NFD", "한")
    tokenizer = _small(
        "a", "ab", "b", "##a", "##b", "c", "##c", ",", hangul[:2], f"##{hangul[2]}", "i"
    )
    assert _characters(tokenizer, text) == characters
    assert _characters(tokenizer, f"{text} {text}") == characters * 2  # from the cache


def test_accents_that_are_kept() -> None:
    """They are pieces of their own where the vocabulary has them so."""
    tokenizer = _small("a", "##\u0308", uncased=False)
    assert _characters(tokenizer, "a\u0308") == ["a", "\u0308"]


def test_a_large_vocabulary() -> None:
    """Ids that take more than two bytes."""
    tokenizer = _small(*[f"w{n}" for n in range(2**16)])
    assert next(tokenizer.ids(["w0 w65535"])).tolist() == [5, 65540]
    assert next(tokenizer.ids(["w65535"])).tolist() == [65540]
    assert tokenizer.pieces("w65535").ids.tolist() == [65540]


def test_text_as_the_model_sees_it():
    tokenizer = _small("play", "##ing", ".")
    shown = tokenizer.text_of([2, 5, 6, 7, 3, 4, 6, 3])
    assert shown == "[CLS] playing . [SEP] [MASK]ing [SEP]"
