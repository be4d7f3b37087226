from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer

from electra_cli.corpus.subword.library import LibraryTokenizer
from electra_cli.corpus.subword.line_encoder import LibraryLineEncoder
from electra_cli.corpus.wordpiece.vocabulary import BEGINS_WORD
from tests.given_tokenizers import ALL_KINDS, KINDS, SPECIAL, given_tokenizer
from tests.places import ROOT

LINES = [
    json.loads(line)["text"]
    for line in (ROOT / "tests/golden/tokenization/lines.jsonl").read_text().splitlines()
]


@pytest.fixture(scope="module", params=ALL_KINDS)
def given(request, tmp_path_factory):
    """A tokenizer as the library reads it, and as we do."""
    path = given_tokenizer(request.param, tmp_path_factory.mktemp(request.param))
    return SimpleNamespace(
        name=request.param, plain=Tokenizer.from_file(str(path)), ours=LibraryTokenizer(path)
    )


def encoded(lines, tokenizer, **options):
    """Ids of lines, and where words begin."""
    found = LibraryLineEncoder(tokenizer, **options).encode(lines)
    raised = [np.frombuffer(line, "<u4") for line in found.lines]
    ids = [(line % BEGINS_WORD).tolist() for line in raised]
    return found, ids, [(line >= BEGINS_WORD).tolist() for line in raised]


def test_ids_and_words_are_those_of_the_library(given):
    found, ids, starts = encoded(LINES, given.ours)
    plain = given.plain.encode_batch(LINES, add_special_tokens=False)
    assert ids == [line.ids for line in plain]
    assert [line.tolist() for line in given.ours.ids(LINES)] == ids
    if given.name != "fallback":  # there the pre-tokenizer takes nothing apart
        words = [[a != b for a, b in pairwise([-1, *line.word_ids])] for line in plain]
    else:
        words = [[n == 0 or t.startswith("▁") for n, t in enumerate(x.tokens)] for x in plain]
    assert starts == words
    unknown = given.plain.token_to_id("<unk>")
    assert found.unknown_tokens == sum(line.count(unknown) for line in ids)
    # Bytes know every character.
    assert bool(found.unknown_tokens) == (given.name not in ("bytes", "fallback"))
    assert bool(found.unknown_words) == bool(found.unknown_tokens)


def test_neither_settings_of_the_file_nor_chance(given, tmp_path):
    content = json.loads(given.ours.content)
    plain = given.plain.encode("a cat sat on it", add_special_tokens=False).ids
    content |= {"truncation": {
        "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0,
    }, "padding": {
        "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 4,
        "pad_type_id": 0, "pad_token": "<pad>",
    }}  # fmt: skip
    if content["model"]["type"] == "BPE":
        content["model"]["dropout"] = 0.9
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    (found,) = LibraryTokenizer(tmp_path / "tokenizer.json").ids(["a cat sat on it"])
    assert found.tolist() == plain


def test_a_typed_special_token_is_ordinary_characters(given):
    special = set(given.ours.special.model_dump().values()) - {given.ours.special.unk}
    assert given.plain.encode("<s>", add_special_tokens=False).ids == [given.ours.special.cls]
    text = " ".join(SPECIAL.values())
    (ids,) = given.ours.ids([text])
    assert not special & set(ids.tolist())
    (spaced,) = given.ours.ids([text.replace("s", "s ")])
    assert len(ids)
    assert not special & set(spaced.tolist())
    assert given.ours.tokens[given.ours.special.mask] == "<mask>"


def test_unknown_words_are_told_whole(tmp_path):
    tokenizer = LibraryTokenizer(given_tokenizer("bpe", tmp_path))
    found, _, _ = encoded(["the ☭☭ cat sat on Й-☭, ☭", "", "the cat ☭"], tokenizer)
    assert found.unknown_words == ["☭☭", "Й-☭,", "☭", "☭"]
    assert found.unknown_tokens == 7
    assert found.words == [7, 7, 10]


def test_long_lines_are_cut_where_the_ids_stay_the_same(given):
    line = " ".join(["The cat sat on the mat."] * 30)
    assert encoded([line], given.ours)[1:] == encoded([line], given.ours, longest_line=50)[1:]
    _, (ids,), _ = encoded(["猫" * 90], given.ours, longest_line=50)
    assert len(ids) >= (1 if given.name == "wordpiece" else 90)


def test_long_lines_are_cut_at_single_spaces(tmp_path):
    """Some normalizers make one of several: a cut within them would leave one more."""
    path = given_tokenizer("bpe", tmp_path)
    content = json.loads(path.read_text())
    content["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            *([content["normalizer"]] if content.get("normalizer") else []),
        ],
    }
    path.write_text(json.dumps(content))
    tokenizer = LibraryTokenizer(path)
    line = "The cat  sat   on the    mat. " * 30
    assert encoded([line], tokenizer)[1:] == encoded([line], tokenizer, longest_line=40)[1:]


def test_text_as_it_is_shown(given):
    text = "The cat sat on the mat"
    (ids,) = given.ours.ids([text])
    special = given.ours.special
    shown = given.ours.text_of([special.cls, *ids.tolist(), special.mask, special.sep])
    expected = text.lower() if given.name == "wordpiece" else text
    assert shown == f"<s> {expected} <mask> </s>"
    assert len(given.ours.texts) == len(given.ours.tokens) == len(given.ours.begins_word)
    if given.name in KINDS:
        by_text = [given.ours.texts[number] for number in ids]
        # The first word of a line may have no space before it, and a space be a piece of its own.
        assert " ".join(by_text).replace(" ##", "").lstrip("#").replace("▁", "") == text
