from __future__ import annotations

import json
import shutil

import pytest
from transformers import BertTokenizerFast, ElectraTokenizerFast

from electra_cli.corpus.subword.brought import bring
from electra_cli.corpus.wordpiece.found_tokenizer import read_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import OtherRulesError
from electra_cli.errors import DataError

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[unused0]",
    "b",
    "a",
    "##b",
    "é",
    "c",
]


def tokens_of(path):
    return read_tokenizer(path).tokens


def casing_of(path):
    return read_tokenizer(path, any_rules=True).options


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "given.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return path


def save(vocab, kind=BertTokenizerFast, **options):
    folder = vocab.parent / "saved"
    kind(vocab=str(vocab), **options).save_pretrained(folder)
    return folder


def edited(folder, name, change):
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", [BertTokenizerFast, ElectraTokenizerFast])
def test_folders_that_transformers_writes(vocab, kind):
    assert tokens_of(save(vocab, kind)) == TOKENS


@pytest.mark.parametrize("special", [False, True])
def test_tokens_that_were_added_later_are_the_librarys(vocab, special):
    tokenizer = BertTokenizerFast(vocab=str(vocab))
    tokenizer.add_tokens(["<new>"], special_tokens=special)
    folder = vocab.parent / "saved"
    tokenizer.save_pretrained(folder)
    with pytest.raises(OtherRulesError, match="has added tokens: <new>"):
        tokens_of(folder)
    brought = bring(folder)
    assert "has added tokens: <new>" in brought.notes[0]
    assert list(brought.tokenizer.tokens) == [*TOKENS, "<new>"]
    (ids,) = brought.tokenizer.ids(["b<new>b"])
    # What looks like a special token is ordinary characters, also here.
    unknown = TOKENS.index("[UNK]")
    expected = [unknown] * 3 if special else [len(TOKENS)]
    assert ids.tolist() == [TOKENS.index("b"), *expected, TOKENS.index("b")]
    if not special:
        assert ids.tolist() == tokenizer.encode("b<new>b", add_special_tokens=False)


def test_folder_with_a_vocabulary_file_alone(vocab):
    folder = vocab.parent / "folder"
    folder.mkdir()
    shutil.copy(vocab, folder / "vocab.txt")
    assert tokens_of(folder) == TOKENS
    assert casing_of(folder) is None
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert casing_of(folder) == TokenizerOptions(lowercase=False, strip_accents=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"do_lower_case": True}, TokenizerOptions(lowercase=True, strip_accents=True)),
        ({"do_lower_case": False}, TokenizerOptions(lowercase=False, strip_accents=False)),
        (
            {"do_lower_case": True, "strip_accents": False},
            TokenizerOptions(lowercase=True, strip_accents=False),
        ),
        (
            {"do_lower_case": False, "strip_accents": True},
            TokenizerOptions(lowercase=False, strip_accents=True),
        ),
    ],
)
@pytest.mark.parametrize("without", [None, "tokenizer_config.json", "tokenizer.json"])
def test_casing_is_in_either_file(vocab, options, expected, without):
    folder = save(vocab, **options)
    shutil.copy(vocab, folder / "vocab.txt")
    if without:
        (folder / without).unlink()
    assert casing_of(folder) == casing_of(folder / "vocab.txt") == expected


def test_casing_within_a_sequence_and_of_other_normalizers(vocab):
    folder = save(vocab, do_lower_case=False)
    (folder / "tokenizer_config.json").unlink()

    def wrap(content):
        content["normalizer"] = {
            "type": "Sequence",
            "normalizers": [{"type": "NFC"}, content["normalizer"]],
        }

    edited(folder, "tokenizer.json", wrap)
    assert casing_of(folder) == TokenizerOptions(lowercase=False, strip_accents=False)
    edited(folder, "tokenizer.json", lambda content: content.update(normalizer={"type": "NFC"}))
    assert casing_of(folder) is None
    assert casing_of(vocab) is None


def test_casing_that_is_no_truth_value(vocab):
    folder = save(vocab)
    edited(folder, "tokenizer_config.json", lambda content: content.update(do_lower_case="yes"))
    with pytest.raises(DataError, match="'yes'"):
        casing_of(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].update(type="BPE"), "holds a BPE tokenizer"),
        (lambda c: c["model"].update(type="Unigram"), "holds a Unigram tokenizer"),
        (lambda c: c.pop("model"), "it has no model"),
        (lambda c: c["model"].update(continuing_subword_prefix="@@"), "'@@', not with '##'"),
        (lambda c: c["model"]["vocab"].pop("b"), "has the id 7, and id 6 comes next"),
        (lambda c: c["model"]["vocab"].update(b=5), "has the id 5, and id 6 comes next"),
        (lambda c: c["model"]["vocab"].update({"x ": 11}), "token 'x ' cannot be a line"),
        (lambda c: c["model"]["vocab"].update({"": 11}), "token '' cannot be a line"),
        (lambda c: c["model"].update(vocab=[]), "no vocabulary that can be read"),
        (lambda c: (c["model"].update(vocab={}), c.update(added_tokens=[])), "is empty"),
        (
            lambda c: (c["model"].update(vocab={"<s>": 0, "a": 1}), c.update(added_tokens=[])),
            r"lacks \[PAD\], \[UNK\]",
        ),
    ],
)
def test_other_tokenizers_are_named(vocab, change, message):
    folder = edited(save(vocab), "tokenizer.json", change)
    with pytest.raises(DataError, match=message) as caught:
        tokens_of(folder)
    assert caught.value.hint
    assert str(folder) in caught.value.message


BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
STRIP = {"type": "StripAccents"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "NFKC"}}, "its normalizer is NFKC, not BertNormalizer"),
        ({"normalizer": None}, "its normalizer is None"),
        (
            {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}},
            "its normalizer is Replace",
        ),
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, STRIP]}},
            "its normalizer is Sequence",
        ),
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, BERT]}},
            "its normalizer is Sequence",
        ),
        ({"normalizer": BERT | {"clean_text": False}}, "BertNormalizer has clean_text = False"),
        (
            {"normalizer": BERT | {"handle_chinese_chars": False}},
            "BertNormalizer has handle_chinese_chars = False",
        ),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "its pre-tokenizer is Whitespace, not Bert"),
        ({"pre_tokenizer": None}, "its pre-tokenizer is None"),
        ({"max_input_chars_per_word": 50}, "max_input_chars_per_word is 50, not 100"),
        ({"unk_token": "<unk>"}, r"unk_token is '<unk>', not '\[UNK\]'"),
    ],
)
def test_other_rules_than_berts_are_refused(vocab, change, message):
    def apply(content):
        for key, value in change.items():
            (content["model"] if key in content["model"] else content)[key] = value

    folder = edited(save(vocab), "tokenizer.json", apply)
    with pytest.raises(DataError, match=message) as caught:
        tokens_of(folder)
    assert str(folder / "tokenizer.json") in caught.value.message
    assert caught.value.exit_code == 65
    assert "--vocab" in caught.value.hint


def test_all_that_differs_is_named_at_once(vocab):
    other = {"normalizer": None, "pre_tokenizer": {"type": "Whitespace"}}
    folder = edited(save(vocab), "tokenizer.json", lambda content: content.update(other))
    with pytest.raises(DataError, match=r"normalizer is None.*; its pre-tokenizer is White"):
        tokens_of(folder)


def test_a_sequence_of_one_and_the_references_length_of_words_are_as_good(vocab):
    def change(content):
        content["normalizer"] = {"type": "Sequence", "normalizers": [content["normalizer"]]}
        content["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [content["pre_tokenizer"]],
        }
        content["model"]["max_input_chars_per_word"] = 200

    assert tokens_of(edited(save(vocab), "tokenizer.json", change)) == TOKENS


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "class is 'BertJapaneseTokenizer'"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize is False"),
        ({"never_split": ["<x>"]}, "never_split is"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars is False"),
        ({"tokenizer_class": "BertTokenizer", "do_basic_tokenize": True}, None),
        ({"tokenizer_class": "ElectraTokenizerFast"}, None),
    ],
)
def test_settings_beside_a_vocabulary_file(vocab, config, message):
    folder = vocab.parent / "folder"
    folder.mkdir()
    shutil.copy(vocab, folder / "vocab.txt")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if message is None:
        assert tokens_of(folder) == TOKENS
        return
    with pytest.raises(DataError, match=message):
        tokens_of(folder)


def test_settings_that_change_a_tokenizer_when_it_is_loaded(vocab):
    folder = save(vocab, tokenize_chinese_chars=False)
    with pytest.raises(DataError, match="chinese_chars"):
        tokens_of(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no tokenizer.json and no vocab.txt, but nothing"),
        (["a.bin", "b", "c", "d", "e"], "but a.bin, b, c and 2 more"),
        (["merges.txt", "vocab.json"], "but merges.txt, vocab.json"),
    ],
)
def test_folders_without_a_tokenizer_that_is_understood(tmp_path, files, message):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match=message):
        tokens_of(tmp_path)


def test_a_folder_with_tokenizers_in_it(vocab):
    """A run has its in `data`, and an export one with each network."""
    for name in ("checkpoints", "data"):
        (vocab.parent / "run" / name).mkdir(parents=True)
    shutil.copy(vocab, vocab.parent / "run" / "data" / "vocab.txt")
    with pytest.raises(DataError, match=r"holds no tokenizer: .* but checkpoints, data") as caught:
        tokens_of(vocab.parent / "run")
    assert caught.value.hint == f"name {vocab.parent / 'run' / 'data'}, which has one"


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_damaged_tokenizer(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, errors="surrogateescape")
    for read in (tokens_of, casing_of):
        with pytest.raises(DataError, match=r"tokenizer\.json"):
            read(tmp_path)
