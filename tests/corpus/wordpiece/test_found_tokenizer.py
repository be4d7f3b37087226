"""What lies beside a vocabulary belongs to it: casing, added tokens, rows without a token."""

from __future__ import annotations

import json
import re

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import AutoTokenizer

from electra_cli.corpus.wordpiece.found_tokenizer import choose_options, read_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.errors import DataError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS = [*SPECIAL, "a", "b"]


def folder_with(tmp_path, tokens=TOKENS, **files):
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


DECODER = {"7": {"content": "<covid>"}, "8": {"content": "[NEW]"}, "0": {"content": "[PAD]"}}


@pytest.mark.parametrize(
    ("files", "behind"),
    [
        ({"added_tokens": {"<covid>": 7, "[NEW]": 8}}, ["<covid>", "[NEW]"]),
        ({"added_tokens": {"[NEW]": 8, "<covid>": 7, "[MASK]": 4}}, ["<covid>", "[NEW]"]),
        ({"tokenizer_config": {"added_tokens_decoder": DECODER}}, ["<covid>", "[NEW]"]),
        (
            {
                "tokenizer_config": {"added_tokens_decoder": DECODER},
                "added_tokens": {"<covid>": 7, "[NEW]": 8},
                "config": {"vocab_size": 10},
            },
            ["<covid>", "[NEW]", "[unused0]"],
        ),
        ({"added_tokens": {"<covid>": 9}}, ["[unused0]", "[unused1]", "<covid>"]),
        ({"added_tokens": {"[unused0]": 8}}, ["[unused1]", "[unused0]"]),
        ({"config": {"vocab_size": 9}}, ["[unused0]", "[unused1]"]),
        ({"config": {"discriminator": {"vocab_size": 8}}}, ["[unused0]"]),
        ({"config": {"vocab_size": 6}}, []),
        ({"config": {"model_type": "electra"}}, []),
        ({"config": {"vocab_size": None}}, []),
    ],
)
def test_tokens_behind_those_of_the_file(tmp_path, files, behind):
    folder = folder_with(tmp_path, **files)
    for path in (folder, folder / "vocab.txt"):
        assert read_tokenizer(path).tokens == [*TOKENS, *behind]


def test_slots_take_names_that_are_free(tmp_path):
    tokens = [*TOKENS, "[unused1]", "[unused0]"]
    found = read_tokenizer(folder_with(tmp_path, tokens, config={"vocab_size": 11}))
    assert found.tokens == [*tokens, "[unused2]", "[unused3]"]
    assert (found.slots, found.own_tokens) == (2, tokens)
    assert "9 word pieces and its model 11 rows" in found.notes[0]


def test_rows_of_a_network_in_the_folder(tmp_path):
    (tmp_path / "generator_model").mkdir()
    (tmp_path / "generator_model" / "config.json").write_text('{"vocab_size": 8}')
    assert read_tokenizer(folder_with(tmp_path)).tokens == [*TOKENS, "[unused0]"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"added_tokens": {"<x>": 5}}, "'<x>' has the id 5, which is not its place"),
        ({"added_tokens": {"<x>": -1}}, "'<x>' has the id -1"),
        ({"added_tokens": {"<x>": 10**12}}, "'<x>' has the id 1000000000000"),
        ({"added_tokens": {"<x>": "seven"}}, "names no tokens and their ids"),
        ({"added_tokens": ["<x>"]}, "is no JSON object"),
        ({"added_tokens": {" x": 7}}, "' x' cannot be a line"),
        ({"added_tokens": {"a": 7}}, "added_tokens.json: 'a' has the id 7, which is not"),
        (
            {"tokenizer_config": {"added_tokens_decoder": {"9": {"content": "[MASK]"}}}},
            r"tokenizer_config.json: '\[MASK\]' has the id 9, which is not its place",
        ),
        ({"config": {"vocab_size": 10**12}}, "vocab_size is 1000000000000"),
        ({"config": {"vocab_size": "9"}}, "vocab_size is '9'"),
    ],
)
def test_damage_beside_a_vocabulary_is_named(tmp_path, files, words):
    with pytest.raises(DataError, match=words) as caught:
        read_tokenizer(folder_with(tmp_path, **files))
    assert caught.value.hint


@pytest.mark.parametrize(
    "config", [{}, {"do_lower_case": False}, {"do_lower_case": True}, {"strip_accents": False}]
)
def test_casing_is_what_transformers_takes_it_for(tmp_path, config):
    tokens = [*SPECIAL, "a", "A", "e", "E", "é", "É"]
    folder = folder_with(tmp_path, tokens, config={"model_type": "electra"})
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    options = read_tokenizer(folder / "vocab.txt").options
    text = "A É"
    text = text.lower() if options.lowercase else text
    text = text.replace("é", "e").replace("É", "E") if options.strip_accents else text
    assert AutoTokenizer.from_pretrained(folder).tokenize("A É") == text.split()


@pytest.mark.parametrize(
    ("config", "normalizer"),
    [
        # These classes take tokenizer.json as it is, whatever stands beside it ...
        ({"tokenizer_class": "TokenizersBackend", "do_lower_case": True}, (False, False)),
        ({"tokenizer_class": "TokenizersBackend", "do_lower_case": False}, (True, None)),
        ({"tokenizer_class": "TokenizersBackend", "strip_accents": True}, (False, None)),
        ({"tokenizer_class": "PreTrainedTokenizerFast", "strip_accents": False}, (True, None)),
        # ... and those of BERT do not.
        ({"tokenizer_class": "BertTokenizerFast", "do_lower_case": True}, (False, None)),
        ({"do_lower_case": False, "strip_accents": True}, (True, False)),
        ({"strip_accents": False}, (True, True)),
    ],
)
def test_casing_beside_a_tokenizer_json(tmp_path, config, normalizer):
    tokens = [*SPECIAL, "a", "A", "e", "E", "é", "É"]
    folder = folder_with(tmp_path, tokens, config={"model_type": "electra"})
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    lowercase, strip_accents = normalizer
    tokenizer.normalizer = BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    split = WordSplitter(**read_tokenizer(folder).options.model_dump())
    expected = [word for part in ["A", "É"] for word in split(part)]
    assert AutoTokenizer.from_pretrained(folder).tokenize("A É") == expected


CASED = TokenizerOptions(lowercase=False, strip_accents=False)
UNCASED = TokenizerOptions(lowercase=True, strip_accents=True)
MANIFEST = {"vocab": {"file": "vocab.txt"}, "tokenizer": CASED.model_dump()}


@pytest.mark.parametrize(
    ("files", "options", "told_by"),
    [
        ({}, None, None),
        ({"manifest": MANIFEST}, CASED, "manifest.json"),
        ({"manifest": MANIFEST | {"vocab": {"file": "other.txt"}}}, None, None),
        ({"manifest": {"name": "a web page"}}, None, None),
        ({"manifest": MANIFEST, "tokenizer_config": {}}, CASED, "manifest.json"),
        ({"tokenizer_config": {}}, UNCASED, "tokenizer_config.json"),
    ],
)
def test_who_tells_the_casing(tmp_path, files, options, told_by):
    found = read_tokenizer(folder_with(tmp_path, **files) / "vocab.txt")
    assert found.options == options
    assert (found.told_by and found.told_by.name) == told_by


@pytest.mark.parametrize(
    ("config", "given", "expected", "words"),
    [
        ({"do_lower_case": False}, {}, CASED, "casing from .*tokenizer_config.json: case kept"),
        (None, {}, UNCASED, "casing from the defaults, as nothing beside .*vocab.txt says: lower"),
        ({"do_lower_case": True}, {"lowercase": False, "strip_accents": False}, CASED,
         "casing from --no-lowercase and --no-strip-accents: case kept"),
        ({"do_lower_case": False}, {"lowercase": True},
         TokenizerOptions(lowercase=True, strip_accents=False),
         "casing from --lowercase and .*tokenizer_config.json: lower-cased, accents kept"),
    ],
)  # fmt: skip
def test_options_go_before_files(tmp_path, config, given, expected, words):
    files = {} if config is None else {"tokenizer_config": config}
    found = read_tokenizer(folder_with(tmp_path, **files))
    chosen, notes = choose_options(found, **{"lowercase": None, "strip_accents": None} | given)
    assert chosen == expected
    assert len(notes) == 1
    assert re.search(words, notes[0])
