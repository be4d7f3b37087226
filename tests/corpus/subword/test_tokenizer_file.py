from __future__ import annotations

import json
import math

import pytest
from tokenizers import Tokenizer, models

from electra_cli.corpus.subword.brought import bring
from electra_cli.corpus.subword.tokenizer_file import TokenizerFile
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.errors import ConfigError, DataError, ElectraError
from tests.corpus.corpora import write_vocabulary
from tests.given_tokenizers import given_tokenizer

ROLES = ("pad", "unk", "cls", "sep", "mask")


def written(path, tokens, model="WordPiece", **more):
    """A tokenizer.json without pieces beside these tokens."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if model == "Unigram":
        vocabulary = [[token, 0.0] for token in tokens]
    path.write_text(json.dumps({"model": {"type": model, "vocab": vocabulary, **more}}))
    return path


def ids(file):
    special = file.special
    return [getattr(special, role) for role in ROLES]


@pytest.mark.parametrize(
    "tokens",
    [
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        ["<pad>", "<unk>", "<s>", "</s>", "<mask>"],
        ["<pad>", "<unk>", "<cls>", "<sep>", "<mask>"],
    ],
    ids=lambda tokens: tokens[2],
)
def test_well_known_names(tmp_path, tokens):
    path = written(tmp_path / "tokenizer.json", ["a", *reversed(tokens)], unk_token=tokens[1])
    assert ids(TokenizerFile(path)) == [5, 4, 3, 2, 1]


def test_roles_are_told_beside_the_file_or_by_our_own_files(tmp_path):
    tokens = ["aa", "bb", "cc", "dd", "ee", "<s>", "<mask>"]
    path = written(tmp_path / "tokenizer.json", tokens, "BPE", merges=[])
    told = {
        "pad_token": {"content": "aa"},
        "cls_token": "bb",
        "sep_token": "cc",
        "mask_token": "dd",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    (tmp_path / "special_tokens_map.json").write_text('{"mask_token": "<mask>", "sep_token": "ee"}')
    assert ids(TokenizerFile(path)) == [0, None, 1, 2, 3]
    manifest = {
        "vocab": {"file": "tokenizer.json"},
        "special_ids": {"pad": 6, "unk": None, "cls": 5, "sep": 4, "mask": 3},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert ids(TokenizerFile(path)) == [6, None, 5, 4, 3]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"vocab": {"file": "vocab.txt"}}))
    assert ids(TokenizerFile(path)) == [0, None, 1, 2, 3]
    known = SpecialIds(pad=1, unk=None, cls=2, sep=3, mask=4)
    assert TokenizerFile(path, special=known, rows=9).special == known
    assert TokenizerFile(path, rows=9).tokens[6:] == ("<mask>", "[unused0]", "[unused1]")


ALL = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
NUMBERED = {token: number for number, token in enumerate(ALL)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("{}", "it has no model"),
        ({"type": "WordLevel", "vocab": {"a": 0}}, "holds a WordLevel tokenizer, and only"),
        ({"vocab": {"a": 0}}, "holds a nameless tokenizer"),
        ({"type": "BPE", "vocab": 3}, "no vocabulary that can be read"),
        ({"type": "BPE", "vocab": {}}, "no tokens"),
        ({"type": "BPE", "vocab": {"a": 2**32}, "merges": []}, "not an integer below 10,000,000"),
        ({"type": "BPE", "vocab": {"a": -1}, "merges": []}, "not an integer below"),
        (
            {"type": "BPE", "vocab": {"a": 0, "<pad>": 1, "</s>": 2}, "merges": []},
            r"pretraining needs: cls, as \[CLS\] or <s> or <cls>; mask, as \[MASK\] or <mask>$",
        ),
        (
            {"type": "Unigram", "vocab": [[t, 0.0] for t in ALL if t != "<unk>"]},
            r"needs: unk, which its model does not name",
        ),
        (
            {"type": "WordPiece", "unk_token": "?", "vocab": NUMBERED},
            "unk, which tokenizer.json calls '\\?'",
        ),
        ({"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}, "'a' and 'b' have the same id"),
        # What a damaged file may hold in any place.
        *(
            ({"type": "BPE", "vocab": NUMBERED, "merges": merges}, "that can be read")
            for merges in ([["a", None]], [1], [[]], [["a"]], ["a"], True, 7, [["a", []]])
        ),
        ({"type": "Unigram", "vocab": [[[], 0.0]]}, r"can be read \(ValueError\('\[\] is no token"),
        ({"type": "WordPiece", "vocab": {"a": math.inf}}, "can be read"),
        ({"type": "BPE", "unk_token": [], "vocab": NUMBERED}, "can read"),
        # What only the library can see.
        ({"type": "BPE", "vocab": NUMBERED}, "can read"),
    ],
)
def test_what_is_refused(tmp_path, content, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(content if isinstance(content, str) else json.dumps({"model": content}))
    with pytest.raises(DataError, match=message) as error:
        bring(path)
    assert str(path) in error.value.message
    assert error.value.hint


def test_hints_name_every_kind_that_is_taken(tmp_path):
    """Wherever no tokenizer is found; a damaged one is to be copied again."""
    path, other = tmp_path / "tokenizer.json", tmp_path / "sentences.model"
    other.write_bytes(b"\n\x0e\xff")
    for place in (tmp_path, path, tmp_path / "vocab.txt", other):
        with pytest.raises(ElectraError) as error:
            bring(place)
        assert "tokenizer.json of kind WordPiece, BPE or Unigram" in error.value.hint
    for content in ("{", "[]", '{"model": {"type": "WordPiece", "vocab": 3}}'):
        path.write_text(content)
        for place in (tmp_path, path):
            with pytest.raises(DataError) as error:
                bring(place)
            assert error.value.hint.startswith("copy the file again")


def test_an_empty_token_is_one_and_no_slot(tmp_path):
    file = TokenizerFile(written(tmp_path / "tokenizer.json", [*ALL, ""], "BPE", merges=[]))
    assert (file.tokens[5], file.slots) == ("", 0)


@pytest.mark.parametrize("content", [[], {}, None, 3])
def test_added_tokens_that_are_none(tmp_path, content):
    path = written(tmp_path / "tokenizer.json", ALL, "BPE", merges=[])
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"added_tokens": [{"id": 9, "content": content}]}))
    with pytest.raises(DataError, match="is no token"):
        bring(path)


def test_what_makes_the_library_panic(tmp_path):
    path = given_tokenizer("unigram", tmp_path)
    broken = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    with pytest.raises(DataError, match="can read: Precompiled"):
        bring(path)


def test_characters_that_are_left_out_without_a_count(tmp_path):
    path = given_tokenizer("bpe", tmp_path)
    assert len(bring(path).notes) == 1
    content = json.loads(path.read_text())
    content["model"]["unk_token"] = None
    path.write_text(json.dumps(content))
    assert "leaves out characters" in bring(path).notes[1]


def test_one_token_of_two_roles(tmp_path):
    path = written(tmp_path / "tokenizer.json", ALL, "BPE", merges=[])
    (tmp_path / "special_tokens_map.json").write_text('{"pad_token": "</s>"}')
    with pytest.raises(DataError, match="'</s>' is the token for pad and for sep"):
        TokenizerFile(path)


@pytest.mark.parametrize("token", ["a", "ab"])
def test_a_token_that_text_has_is_no_special_one(tmp_path, token):
    tokens = [*ALL, "a", "b", "ab"]
    path = written(tmp_path / "tokenizer.json", tokens, "BPE", merges=["a b"])
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": token}))
    with pytest.raises(DataError, match=f"the token for pad is {token!r}, which text has too"):
        TokenizerFile(path)


def test_word_pieces_by_the_rules_of_bert_are_ours_and_all_others_the_librarys(tmp_path):
    vocabulary = write_vocabulary(tmp_path / "vocab.txt")
    assert isinstance(bring(vocabulary).tokenizer, WordPieceTokenizer)
    path = given_tokenizer("wordpiece", tmp_path / "other")
    found = bring(path.parent)
    assert (found.options, found.tokenizer.kind) == (None, "wordpiece")
    assert "is a WordPiece tokenizer of 133 tokens" in found.notes[0]
    assert "its normalizer is Sequence, not BertNormalizer" in found.notes[0]
    assert bring(path.rename(path.with_name("mine.json"))).tokenizer.tokens[1] == "<s>"
    for option in ({"lowercase": True}, {"strip_accents": False}):
        with pytest.raises(ConfigError, match="decides about case") as error:
            bring(path.with_name("mine.json"), **option)
        assert next(iter(option)).replace("_", "-") in error.value.message


def test_padding_that_is_not_the_first_word_piece(tmp_path):
    """As a vocab.txt it is refused: its rows would not be those of the reference."""
    tokens = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "a"]
    made = Tokenizer(models.WordPiece({t: n for n, t in enumerate(tokens)}, unk_token="[UNK]"))
    made.save(str(tmp_path / "tokenizer.json"))
    assert bring(tmp_path).tokenizer.special.pad == 1
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    with pytest.raises(DataError, match="must be the first"):
        bring(tmp_path / "vocab.txt")
