from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from electra_cli.corpus.subword.library import LibraryTokenizer
from electra_cli.corpus.subword.training import train_tokenizer
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS
from electra_cli.corpus.wordpiece.vocabulary_training import Limits, VocabularyOptions
from tests.corpus.corpora import make_documents
from tests.corpus.counting import count_words

# Thai and Japanese are written without spaces between words.
THAI = "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทย"
JAPANESE = "東京は日本の首都であり、世界最大の都市の一つである。ガラスのビルが多い。"
TEXTS = [*make_documents(60), *[THAI * n for n in range(1, 9)], *[JAPANESE * 3] * 4]
KINDS = ("bpe", "unigram")


def options(kind, **more):
    casing = {"lowercase": False, "strip_accents": False}
    return VocabularyOptions(kind=kind, **{"size": 400, **casing, **more})


def train(kind, texts=TEXTS, limits=None, **more):
    own = () if limits is None else (limits,)
    given = options(kind, **more)
    return train_tokenizer(count_words(texts, given), given, *own)


def trained(kind, texts=TEXTS, limits=None, **more):
    """The content of a file, and the library's tokenizer of it."""
    content = train(kind, texts, limits, **more)
    return json.loads(content), Tokenizer.from_str(content)


def pieces(content):
    vocabulary = content["model"]["vocab"]
    return list(vocabulary) if isinstance(vocabulary, dict) else [p for p, _ in vocabulary]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_file_holds(kind, tmp_path):
    content, tokenizer = trained(kind, size=155, unused=3, multiple_of=8)
    found = pieces(content)
    assert tuple(found[:5]) == SPECIAL_TOKENS
    assert tokenizer.get_vocab_size() == 160
    assert [tokenizer.id_to_token(n) for n in (157, 158, 159)] == [f"[unused{n}]" for n in range(3)]
    assert len(set(found)) == len(found) == 157
    assert max(map(len, found[5:])) <= 16
    encoding = tokenizer.encode("東京 ＡＢＣ", "[MASK] ﬁ")  # as others use it
    assert (encoding.tokens[0], encoding.tokens[-1]) == ("[CLS]", "[SEP]")
    assert encoding.tokens.count("[SEP]") == 2
    assert set(encoding.type_ids) == {0, 1}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    assert LibraryTokenizer(path).special.model_dump() == {
        "pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_text_without_spaces_has_pieces_of_several_characters(kind):
    _, tokenizer = trained(kind)
    for text in (THAI, JAPANESE):
        found = tokenizer.encode(text, add_special_tokens=False)
        assert len(found.ids) < 0.6 * len(text)
        assert 1 not in found.ids


@pytest.mark.parametrize("kind", KINDS)
def test_case_accents_and_characters_of_other_widths(kind):
    texts = ["Éclair für ＡＢＣ ガラス"] * 9
    for lowercase, strip_accents, expected in (
        (False, False, "Éclair für ABC ガラス"),
        (True, False, "éclair für abc ガラス"),
        (False, True, "Eclair fur ABC カラス"),
    ):
        _, tokenizer = trained(kind, texts, lowercase=lowercase, strip_accents=strip_accents)
        ids = tokenizer.encode("\x07Éclair \u2003 für ＡＢＣ ガラス ", add_special_tokens=False).ids
        assert tokenizer.decode(ids) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_characters_that_do_not_fit_are_unknown(kind):
    content, _ = trained(kind, alphabet_limit=20)
    assert sum(len(piece) == 1 for piece in pieces(content)) == 20
    content, tokenizer = trained(kind, ["".join(map(chr, range(0x4E00, 0x4F00)))] * 2, size=105)
    assert sum(len(piece) == 1 for piece in pieces(content)) == 50
    assert 1 in tokenizer.encode(chr(0x4EF0) + chr(0x4E10), add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
def test_no_text(kind):
    content, _ = trained(kind, [" \n", "\x07"])
    assert tuple(pieces(content)) == SPECIAL_TOKENS


@pytest.mark.parametrize("kind", KINDS)
def test_the_most_frequent_words_are_trained_on(kind):
    small = Limits(trained_characters=400)
    texts = [f"frequent, frequent. {n * 7919 % 10007:x}{n:x}" for n in range(2000)]
    content, _ = trained(kind, texts, limits=small, size=100)
    assert "▁frequent" in pieces(content)


def test_the_same_file_in_any_process():
    script = (
        "import hashlib\n"
        "from tests.corpus.subword.test_training import KINDS, train\n"
        "text = ''.join(map(train, KINDS))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    here = "".join(map(train, KINDS))
    there = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()
