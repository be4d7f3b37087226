"""The tokenizer in the graph gives the reference's ids on every recorded line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.corpus.line_encoder import LineEncoder
from electra_cli.corpus.manifest import TokenizerOptions
from electra_cli.corpus.tokenizer import build_tokenizer
from electra_cli.corpus.vocabulary import load_vocabulary, special_ids
from electra_cli.export.in_graph_tokenizer import InGraphTokenizer
from tests.ids import ids_in

GOLDEN = Path(__file__).parents[1] / "golden" / "tokenization"
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
    tokenizer = build_tokenizer(VOCAB, lowercase=lowercase, strip_accents=strip_accents)
    ours = LineEncoder(tokenizer, "uint16")
    expected = [[IDS.cls, *ids_in(ours.encode([text]).lines[0]), IDS.sep] for text in texts]
    assert tokenize(texts, lowercase=lowercase, strip_accents=strip_accents) == expected


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
