"""The tokenizer in the graph gives the reference's ids on every recorded line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
import tensorflow as tf

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary, special_ids
from electra_cli.export.formats.in_graph_tokenizer import InGraphTokenizer
from tests import places
from tests.corpus.reference_words import CASINGS, different_characters, reference_words
from tests.ids import line_ids

GOLDEN = places.GOLDEN / "tokenization"
VOCAB = GOLDEN / "vocab.txt"
IDS = special_ids(load_vocabulary(VOCAB))


def tokenize(
    texts: list[str | bytes], *, lowercase: bool, strip_accents: bool, max_length: int = 10_000
) -> list[list[int]]:
    options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
    rows = tf.function(InGraphTokenizer(VOCAB, options, IDS, max_length))(tf.constant(texts))
    return [[token for token in row if token != IDS.pad] for row in rows.numpy().tolist()]


@pytest.mark.parametrize("case", ["lower", "cased"])
def test_golden_lines(case: str) -> None:
    with (GOLDEN / "lines.jsonl").open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    is_lower = case == "lower"
    found = tokenize([line["text"] for line in lines], lowercase=is_lower, strip_accents=is_lower)
    different = [
        line["text"]
        for line, ids in zip(lines, found, strict=True)
        if ids != [IDS.cls, *line[f"{case}_ids"], IDS.sep]
    ]
    assert not different


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, False), (False, True)])
def test_case_and_accents_are_apart(lowercase: bool, strip_accents: bool) -> None:
    texts = ["Élan VITAL naïve", "ÀÉÎ", "ΑΣ ΣΑΣ.", "İstanbul"]
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    expected = [[IDS.cls, *line_ids(text, VOCAB, **options), IDS.sep] for text in texts]
    assert tokenize(texts, **options) == expected


def words_of(*, lowercase: bool, strip_accents: bool) -> Callable[[list[str]], list[list[str]]]:
    options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
    words = tf.function(InGraphTokenizer(VOCAB, options, IDS, 10)._words)

    def run(texts: list[str]) -> list[list[str]]:
        return [[word.decode() for word in row] for row in words(tf.constant(texts)).to_list()]

    return run


@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_words_are_those_of_the_rules(lowercase: bool, strip_accents: bool) -> None:
    rng = random.Random(0)
    letters = "ΣΣΣΑα'.:,\u00ad\u0301\u0345\u200d\x08\ufffd\ue000 \t\u2028中1ʰª^\u00a8!İIÌĮ\ua7c0"
    letters += "\U0002b820\u0ebaa\u1734\U00011938\u061d\u166d\u0890\u2260\ufa0e\U000e1000"
    texts = ["".join(rng.choices(letters, k=rng.randint(1, 12))) for _ in range(2000)]
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    assert words_of(**options)(texts) == [reference_words(text, **options) for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_every_character_is_what_the_reference_takes_it_for(
    lowercase: bool, strip_accents: bool
) -> None:
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    assert different_characters(words_of(**options), **options) == []


def test_words_of_more_than_200_characters_are_unknown() -> None:
    texts = ["ab" * 100, "ab" * 100 + "a", "æ" * 200, "æ" * 201]
    rows = tokenize(texts, lowercase=False, strip_accents=False)
    assert [row[1:-1] == [IDS.unk] for row in rows] == [False, True, False, True]


def test_special_tokens_in_text_are_ordinary_characters() -> None:
    for row in tokenize(["[MASK] [PAD] [CLS]"], lowercase=True, strip_accents=True):
        assert IDS.mask not in row
        assert row.count(IDS.cls) == 1


def test_long_texts_are_cut_and_keep_their_end() -> None:
    rows = tokenize(["a " * 50, "a"], lowercase=True, strip_accents=True, max_length=8)
    assert [len(row) for row in rows] == [8, 3]
    assert all((row[0], row[-1]) == (IDS.cls, IDS.sep) for row in rows)


def test_invalid_utf8_is_left_out() -> None:
    found = tokenize([b"a\xff b", b"a b"], lowercase=True, strip_accents=True)
    assert found[0] == found[1]
