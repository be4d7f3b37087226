from __future__ import annotations

import hashlib
import random
import subprocess
import sys

import pytest

from electra_cli.corpus.wordpiece import vocabulary_training
from electra_cli.corpus.wordpiece.tokenizer import WordEncoder, WordSplitter, split_words
from electra_cli.corpus.wordpiece.vocabulary_training import (
    Limits,
    VocabularyOptions,
    train_vocabulary,
)
from electra_cli.errors import ConfigError
from tests.corpus.corpora import make_documents
from tests.corpus.counting import count_words
from tests.ids import ids_in

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SCRIPT = """
import hashlib
from tests.corpus.corpora import make_documents
from tests.corpus.wordpiece.test_vocabulary_training import train
tokens = train(make_documents(60))
print(hashlib.sha256("\\n".join(tokens).encode()).hexdigest())
"""


def train(texts, size=300, limits=Limits(), **options):
    options = VocabularyOptions(size=size, **options)
    return train_vocabulary(count_words(texts, options), options, limits)


def made_up_words(count, *, seed=0):
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghij", k=6)) for _ in range(count)]


def test_special_tokens_first_then_characters_then_pieces():
    tokens = train(make_documents(60))
    assert tokens[:5] == SPECIAL
    assert len(tokens) == len(set(tokens)) <= 300
    assert {"mountain", "language"} <= set(tokens)
    kinds = [len(token.removeprefix("##")) > 1 for token in tokens[5:]]
    assert kinds == sorted(kinds)


def test_same_text_gives_the_same_vocabulary_in_any_process():
    tokens = train(make_documents(60))
    digest = hashlib.sha256("\n".join(tokens).encode()).hexdigest()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path), "PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == digest


def test_text_is_normalised_as_it_will_be_tokenized():
    texts = ["Éclair ÉCLAIR éclair eclair Eclair"] * 3
    assert "eclair" in train(texts)
    assert "éclair" in train(texts, strip_accents=False)
    assert "Eclair" in train(texts, lowercase=False)
    assert "ÉCLAIR" in train(texts, lowercase=False, strip_accents=False)
    assert not {"σ", "##σ"} & set(train(["Α.Σ. ΟΔΟΣ"] * 3))  # each ends a word


def test_size_is_kept_when_there_are_many_characters():
    rare = "".join(chr(0x4E00 + number) for number in range(500))
    words = " ".join(made_up_words(2000))
    tokens = train([rare, *([words] * 2)], size=100)
    assert len(tokens) == 100
    characters = [token for token in tokens[5:] if len(token.removeprefix("##")) == 1]
    assert 40 < len(characters) <= 47  # half of the vocabulary stays for longer pieces
    assert train([*([words] * 2), rare], size=100) == tokens


MANY = {
    "ideographs": [chr(0x4E00 + number) for number in range(150)],
    "ideographs of another plane": [chr(0x2B820 + number) for number in range(150)],
    "kana and ideographs": [chr(start + n) for start in (0x3041, 0x4E00) for n in range(70)],
    "syllables": [chr(0xAC00 + 28 * number) for number in range(60)],
    "emoji": [chr(0x1F300 + number) for number in range(100)],
    "emoji in a row": ["".join(chr(0x1F300 + number) for number in range(60))],
    "letters of many scripts": ["abcdefghij", "бвгджзклмн", "ባቤብቦዳዴድዶ", "กขคงจฉช", "中文"],
}


@pytest.mark.parametrize("kind", MANY)
def test_characters_take_what_longer_pieces_leave_free(kind):
    """Each once, so that hardly any two join: half of the vocabulary would stay empty."""
    text = " ".join(MANY[kind])
    tokens = train([text], size=200, strip_accents=False)
    assert set(text) - {" "} <= set(tokens)
    assert "[UNK]" not in encoded(text, tokens, strip_accents=False)
    assert len(tokens) <= 200


def test_words_of_characters_that_were_let_in_give_pieces_too():
    """The first half holds 47 pieces: not the last letters, of which the only long words are."""
    ideographs = [chr(0x4E00 + number) for number in range(45)] * 10
    tokens = train([" ".join([*ideographs, *(["abcab"] * 5)])], size=100)
    assert {"abcab", "a", "##b", *ideographs} <= set(tokens)


def test_characters_beyond_the_size_are_left_out_from_the_rarest_on():
    often = [chr(0x4E00 + number) for number in range(95)]
    tokens = train(
        [" ".join(often * 2 + [chr(0x5E00 + number) for number in range(300)])], size=100
    )
    assert sorted(tokens[5:]) == often


def test_a_full_vocabulary_is_joined_once(monkeypatch):
    times = []
    join = vocabulary_training.join
    monkeypatch.setattr(
        vocabulary_training, "join", lambda *given: times.append(given) or join(*given)
    )
    ideographs = "".join(chr(0x4E00 + number) for number in range(500))
    for texts, expected in (
        ([" ".join(made_up_words(2000))] * 2, 1),
        ([" ".join(made_up_words(2000)), ideographs] * 2, 1),
        ([ideographs], 2),
    ):
        times.clear()
        train(texts, size=100)
        assert len(times) == expected


def test_alphabet_limit_counts_characters_and_takes_precedence_over_the_half():
    texts = ["aaa bbb ccc aab bba"] * 3 + [" ".join(map(chr, range(0x4E00, 0x4E00 + 85)))]
    few = train(texts, size=100, alphabet_limit=2)
    assert [t for t in few[5:] if len(t.removeprefix("##")) == 1] == ["a", "b", "##a", "##b"]
    assert "ccc" not in few
    assert len(few) < 20  # what is free stays free
    most = train(texts, size=100, alphabet_limit=1000)
    assert sum("\u4e00" <= token <= "\u9fff" for token in most) == 85


def test_no_text_gives_the_special_tokens_alone():
    assert train([" ", "\t"]) == SPECIAL
    assert train([]) == SPECIAL


def test_unused_slots_follow_the_special_tokens_and_the_size_is_rounded_up():
    text = [" ".join(made_up_words(2000))] * 2
    tokens = train(text, size=301, unused=7, multiple_of=8)
    assert tokens[:12] == [*SPECIAL, *(f"[unused{number}]" for number in range(7))]
    assert len(tokens) == 304
    assert not any(token.startswith("[") for token in tokens[12:])


def test_little_text_is_filled_up_to_the_next_multiple_with_unused_slots():
    plain = train(make_documents(3), size=1000)
    assert len(plain) < 300
    tokens = train(make_documents(3), size=1000, unused=2, multiple_of=64)
    slots = -(-(len(plain) + 2) // 64) * 64 - len(plain)
    assert tokens == [*SPECIAL, *(f"[unused{number}]" for number in range(slots)), *plain[5:]]


def encoded(text, tokens, *, strip_accents=True):
    split = WordSplitter(lowercase=True, strip_accents=strip_accents)
    encode = WordEncoder(tokens, split, "uint16").encode
    return [tokens[number] for word in split_words(text) for number in ids_in(encode(word))]


def test_text_never_becomes_an_unused_or_special_token():
    literal = "[unused0] [unused1][unused0] unused0 ##unused0 [MASK] [PAD] \t[unused1]."
    tokens = train([literal] * 50, unused=2)
    assert {"unused0", "unused1"} <= set(tokens)
    found = encoded(literal, tokens)
    assert found[:3] == ["[", "unused0", "]"]
    assert not {"[unused0]", "[unused1]", *SPECIAL} & set(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 99}, "--vocab-size is 99; it must be 100 to 1000000"),
        ({"size": 1_000_001}, "--vocab-size is 1000001"),
        ({"sample": 0.0}, "--vocab-sample is 0.0"),
        ({"sample": 1.01}, "--vocab-sample is 1.01"),
        ({"sample": float("nan")}, "--vocab-sample is nan"),
        ({"size": 300, "unused": 201}, "--vocab-unused is 201; it must be 0 to 200"),
        ({"unused": -1}, "--vocab-unused is -1"),
        ({"multiple_of": 0}, "--vocab-multiple-of is 0"),
        ({"alphabet_limit": 0}, "--vocab-alphabet is 0"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ConfigError, match=message):
        VocabularyOptions(**options)


def test_what_is_cut_off_are_rare_words_of_any_letter(monkeypatch):
    rare = made_up_words(1000)
    trained = []
    repeated = vocabulary_training.repeated

    def watched(words, limits):
        trained.extend(words)
        return repeated(words, limits)

    monkeypatch.setattr(vocabulary_training, "repeated", watched)
    limits = Limits(trained_characters=1)
    train([" ".join(rare), "zebra zebra"], size=100, alphabet_limit=26, limits=limits)
    assert trained[0] == "zebra"
    assert len(trained) == 267  # 16 characters for each word piece
    assert len({word[0] for word in trained[1:]}) == 10


def test_counts_are_scaled_down_beyond_what_the_trainer_reads():
    limits = Limits(trained_words=2000, scaled_words=1000, string=50)
    words = {"common": 7000, "some": 2960, "ten": 10, "five": 5, "rare": 4, "once": 1}
    read = list(vocabulary_training.repeated(words, limits))
    assert max(map(len, read)) <= 50
    found = " ".join(read).split()
    counts = {word: found.count(word) for word in words}
    assert counts == {"common": 701, "some": 297, "ten": 1, "five": 1, "rare": 0, "once": 0}
    few = {"common": 1999, "rare": 1}
    read = " ".join(vocabulary_training.repeated(few, limits)).split()
    assert read == ["common"] * 1999 + ["rare"]
