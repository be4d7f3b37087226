from __future__ import annotations

import random
from collections import Counter

import pytest

from electra_cli.corpus.subword.training import splitter
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions
from electra_cli.corpus.wordpiece.word_counts import WordCounter
from tests.corpus.corpora import make_documents
from tests.corpus.counting import count_words

AWKWARD = [
    "Éclair ÉCLAIR naïve don't x-y (東京) 東京都は日本の首都。 Α.Σ. ΟΔΟΣ σ東Σ",
    "y" * 199 + " " + "y" * 200 + " " + "y" * 201 + " " + "-" * 300 + " " + "É" * 1100,
    "a\x0bb\x1cc d\x00e\u200bf g\u00a0h\u2003i\x85j \ufffd \U0001f600\U0001f600 \U0002b820x",
    "中" * 300 + "y" * 201 + "中" + "กขค" * 100 + " ﬁ ＡＢＣ ᾳ\u0345 İ i\u0307",
    "",
    " \t ",
    "word " * 300 + "another " * 20 + "w" * 64 + " " + "w" * 65,
]
TINY = {"stretch_bytes": 40, "most_ids": 20, "most_long_words": 2, "slot_bits": 3}
DOCUMENTS = [text.split("\n") for text in [*AWKWARD, *make_documents(20), *AWKWARD]]


def counter(kind="wordpiece", held=2**22, *, lowercase=True, **limits):
    options = VocabularyOptions(kind=kind, lowercase=lowercase, strip_accents=lowercase)
    if kind != "wordpiece":
        return WordCounter(splitter(options), held, cuts=False, **limits), options
    split = WordSplitter(lowercase=lowercase, strip_accents=lowercase)
    return WordCounter(split.parts, held, **limits), options


def added_up(runs):
    total = Counter()
    for words, counts in runs:
        assert len(set(words)) == len(words)
        assert counts.min() > 0
        total.update(dict(zip(words, counts.tolist(), strict=True)))
    return dict(total)


@pytest.mark.parametrize("held", [2**22, 300])
@pytest.mark.parametrize("limits", [{}, TINY], ids=["usual", "tiny"])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
def test_counts_are_those_of_counting_one_by_one(kind, lowercase, limits, held):
    own, options = counter(kind, held, lowercase=lowercase, **limits)
    expected = count_words(["\n".join(document) for document in DOCUMENTS], options).words
    for _ in range(2):  # the second time most words are known
        runs = list(own.count(DOCUMENTS))
        assert added_up(runs) == expected
        assert (len(runs) > 1) == (held == 300 and limits == TINY)


def test_where_runs_end_depends_on_the_documents_alone():
    rng = random.Random(0)
    texts = [" ".join("".join(rng.choices("abcdef", k=5)) for _ in range(50)) for _ in range(30)]
    own, _ = counter(held=2000, stretch_bytes=100)

    def runs(documents):
        found = own.count([[text] for text in documents])
        return [dict(zip(words, counts.tolist(), strict=True)) for words, counts in found]

    expected = runs(texts)
    assert len(expected) > 5
    # One stretch of text may go beyond what is held.
    assert all(sum(len(word) + 16 for word in run) < 2000 + 17 * 22 for run in expected)
    for before in (texts[7:], make_documents(5), [], texts):
        runs(before)
        assert runs(texts) == expected
    begun = own.count([[text] for text in texts])
    next(begun)
    begun.close()
    assert runs(texts) == expected


def test_what_is_known_is_bounded():
    own, _ = counter(held=2000, stretch_bytes=100)
    most = 0
    for number in range(100):
        list(own.count([[f"number {n}" for n in range(50 * number, 50 * number + 50)]]))
        most = max(most, len(own._numbers))
    assert 2000 // 20 < most < 2 * 2000 // 17 + 22
