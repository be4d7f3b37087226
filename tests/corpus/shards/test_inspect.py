from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from electra_cli.corpus.shards.counts import Counts
from electra_cli.corpus.shards.inspect import inspect_data, row_hashes
from electra_cli.corpus.shards.manifest import (
    Manifest,
    VocabularyFile,
    load_manifest,
    write_manifest,
)
from electra_cli.corpus.shards.rows import ShardWriter
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import special_ids, vocabulary_sha256, vocabulary_text
from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, write_text, write_vocabulary
from tests.ids import as_bytes
from tests.prepared import prepare

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "."]
TRAIN = [
    [[2, 5, 6, 7, 3], [2, 1, 3, 5, 3], [2, 5, 6, 7, 3]],
    [[2, 5, 6, 7, 3], [2, 5, 5, 5, 5, 5, 5, 3]],
]
VALIDATION = [[2, 1, 3, 5, 3], [2, 1, 3, 5, 3], [2, 5, 3]]


@pytest.fixture
def folder(tmp_path):
    """Rows written by hand: two training shards and one of validation."""
    (tmp_path / "vocab.txt").write_text(vocabulary_text(TOKENS))
    shards = []
    for split, number, examples in (
        ("train", 0, TRAIN[0]),
        ("train", 1, TRAIN[1]),
        ("validation", 0, VALIDATION),
    ):
        path = tmp_path / f"{split}-{number:05d}.npy"
        begins_word = np.array([0, 1, 0, 0, 0, 1, 0, 1], bool)
        with ShardWriter(
            path, split, sequence_length=8, dtype="uint16", begins_word=begins_word
        ) as writer:
            for example in examples:
                writer.append(as_bytes(example))
            shards.append(writer.finish())
    write_manifest(
        tmp_path,
        Manifest(
            sequence_length=8,
            dtype="uint16",
            vocab=VocabularyFile(
                file="vocab.txt", size=len(TOKENS), sha256=vocabulary_sha256(TOKENS)
            ),
            tokenizer=TokenizerOptions(lowercase=True, strip_accents=True),
            special_ids=special_ids(TOKENS),
            packing="reference",
            seed=0,
            validation_fraction=0.5,
            counts=Counts(),
            unknown_words={},
            examples=5,
            validation_examples=3,
            shards=shards,
        ),
    )
    return tmp_path


@pytest.mark.parametrize("rows_at_once", [1, 2, 1000])
def test_figures_counted_by_hand(folder, rows_at_once):
    done = []
    figures = inspect_data(
        load_manifest(folder), on_progress=done.append, ids_at_once=8 * rows_at_once
    )
    assert (figures.examples, figures.validation_examples) == (5, 3)
    assert figures.lengths == [0, 0, 0, 1, 0, 6, 0, 0, 1]
    assert figures.tokens == 6 * 5 + 3 + 8
    assert figures.padding == 64 - 41
    assert figures.word_pieces == 3 * 3 + 3 * 2 + 6 + 1
    assert figures.words == figures.word_pieces - 3
    assert figures.unknown_tokens == 3
    assert figures.duplicates == 2  # one row three times
    assert figures.validation_in_train == 2  # copies count, each of them
    assert figures.padding_share == 23 / 64
    assert figures.unknown_rate == 3 / 22
    assert figures.tokens_a_word == 22 / 19
    assert figures.baselines.model_dump() == {
        "tokens": 5,
        "distinct_tokens": 2,
        "most_frequent": 3,
        "unigram_entropy": pytest.approx(0.673012 + 1 / 10, abs=1e-6),
    }
    assert done[-1] == 8


def test_figures_agree_with_what_the_preparation_counted(tmp_path):
    """Short lines lose nothing, so here the manifest's word pieces are those of the rows."""
    prepare(
        inputs=write_text(tmp_path / "a.txt", make_documents(60)),
        output=tmp_path / "out",
        vocab=write_vocabulary(tmp_path / "words.txt"),
        sequence_length=256,
        workers=1,
        validation_fraction=0.2,
    )
    manifest = load_manifest(tmp_path / "out")
    figures = inspect_data(manifest)
    assert manifest.counts.dropped_tokens == 0
    assert figures.word_pieces == manifest.counts.tokens
    assert figures.unknown_tokens == manifest.counts.unknown_tokens
    assert figures.padding == manifest.counts.padding
    assert figures.examples == manifest.examples
    assert figures.validation_examples == manifest.validation_examples
    assert (figures.duplicates, figures.validation_in_train) == (0, 0)
    assert figures.baselines == manifest.baselines
    assert 0 < manifest.baselines.tokens < manifest.counts.tokens


def test_hashes_compare_all_bytes(monkeypatch):
    """A hash that ends with zeros is not shortened."""
    digests = iter([b"a" * 15 + b"\0", b"a" * 14 + b"\0\0", b"a" * 15 + b"\0"])
    monkeypatch.setattr(
        "electra_cli.corpus.shards.inspect.blake2b",
        lambda row, digest_size: SimpleNamespace(digest=lambda: next(digests)),
    )
    hashes = row_hashes(np.zeros((3, 4), np.uint16))
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_damaged_shard(folder):
    path = folder / "train-00001.npy"
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\xff")
    with pytest.raises(DataError, match=r"train-00001\.npy has a word that begins on a special"):
        inspect_data(load_manifest(folder))
