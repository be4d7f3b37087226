"""The words with an [UNK] that came most often, counted in bounded memory."""

from __future__ import annotations

import pytest

from electra_cli.corpus.preparation.encoding import LONGEST_UNKNOWN_WORD, Words, encoded
from electra_cli.corpus.shards.counts import Counts, most_frequent
from electra_cli.corpus.wordpiece.line_encoder import LineEncoder
from electra_cli.corpus.wordpiece.tokenizer import WordSplitter
from tests.corpus.corpora import write_vocabulary


def unknown_words(tmp_path, documents, **options):
    """Those of documents, and the most that were counted at a time."""
    tokens = write_vocabulary(tmp_path / "words.txt").read_text().splitlines()
    encoder = LineEncoder(tokens, WordSplitter(lowercase=True, strip_accents=True), "uint16")
    words, most = Words(), 0
    for _ in encoded(([document] for document in documents), encoder, Counts(), words, **options):
        most = max(most, len(words.unknown))
    return words.unknown, most


def test_rare_unknown_words_give_way_to_new_ones(tmp_path):
    documents = [
        f"the zzz rare{number}a rare{number}b" + " yyy" * (number % 2) for number in range(200)
    ]
    found, most = unknown_words(
        tmp_path, [*documents, "x" * 100], most_unknown=20, batch_characters=1
    )
    assert list(most_frequent(found, 2).items()) == [("zzz", 200), ("yyy", 100)]
    assert found["x" * LONGEST_UNKNOWN_WORD] == 1
    assert 10 < most <= 20


@pytest.mark.parametrize("batch_characters", [1, 2**18])
def test_all_unknown_words_are_counted_below_the_bound(tmp_path, batch_characters):
    documents = [f"the zzz rare{number} zzz" for number in range(90)]
    found, _ = unknown_words(tmp_path, documents, batch_characters=batch_characters)
    assert found == {"zzz": 180} | {f"rare{number}": 1 for number in range(90)}
