"""Prepared folders of tokenizers that the library applies, from the text to masked rows."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer

from electra_cli.corpus.preparation.plausibility import implausible
from electra_cli.corpus.shards.inspect import inspect_data
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.rows import ids_of, input_mask, load_shard, word_starts_of
from electra_cli.corpus.shards.verify import verify_data
from electra_cli.errors import DataError, OutputError
from tests.corpus.corpora import folder_bytes, write_jsonl
from tests.corpus.subword.test_training import JAPANESE, THAI
from tests.given_tokenizers import ALL_KINDS, KINDS, given_tokenizer
from tests.places import ROOT
from tests.prepared import prepare

LENGTH = 1024
LINES = [
    line
    for golden in (ROOT / "tests/golden/tokenization/lines.jsonl").read_text().splitlines()
    if (line := " ".join(json.loads(golden)["text"].split()))
]


@pytest.fixture
def text(tmp_path):
    return write_jsonl(tmp_path / "text.jsonl", LINES)


def whole(folder):
    """All rows of a folder and where words begin in them, [rows, LENGTH] each."""
    manifest = load_manifest(folder)
    paths = [*manifest.paths_of("train"), *manifest.paths_of("validation")]
    rows = np.concatenate([load_shard(path) for path in paths])
    length = manifest.sequence_length
    return ids_of(rows, length), word_starts_of(rows, length)


def documents_of(values, ids, special):
    """What stands between [SEP]s, of documents that run on over rows."""
    inside = input_mask(ids, special.pad).astype(bool)  # [rows, LENGTH]
    inside[:, :-1] &= inside[:, 1:]  # without the [SEP] that ends a row
    inside[:, 0] = inside[:, -1] = False
    parts = np.split(values[inside], np.flatnonzero(ids[inside] == special.sep))
    return Counter(tuple(part[n > 0 :].tolist()) for n, part in enumerate(parts))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_ids_and_words_of_the_rows_are_those_of_the_library(tmp_path, text, kind):
    path = given_tokenizer(kind, tmp_path / kind)
    result = prepare(
        text,
        tmp_path / "out",
        vocab=path.parent,
        packing="full",
        sequence_length=LENGTH,
        allow_unknown=True,
    )
    manifest, plain = load_manifest(tmp_path / "out"), Tokenizer.from_file(str(path))
    special, counts = manifest.special_ids, manifest.counts
    assert (special.pad, manifest.tokenizer) == (4, None)
    assert (manifest.vocab.file, manifest.vocab.kind) == (
        "tokenizer.json",
        kind if kind in ("unigram", "wordpiece") else "bpe",
    )
    assert manifest.vocab_path.read_bytes() == path.read_bytes()
    assert manifest.tokenizer_sha256 == manifest.vocab.sha256

    expected = plain.encode_batch(LINES, add_special_tokens=False)
    ids, word_starts = whole(tmp_path / "out")
    assert set(ids[:, 0].tolist()) == {special.cls}
    assert (ids == special.pad).sum() == counts.padding > 0
    assert counts.tokens == sum(len(line.ids) for line in expected)
    # Documents that end where a row does are not told apart from the next: a few, if any.
    found = documents_of(ids, ids, special)
    wanted = Counter(tuple(line.ids) for line in expected if line.ids)
    assert (found & wanted).total() >= 0.98 * wanted.total()
    if kind != "fallback":
        starts = Counter(
            tuple(a != b for a, b in pairwise([-1, *line.word_ids])) for line in expected
        )
        assert (documents_of(word_starts, ids, special) & starts).total() >= 0.98 * wanted.total()

    assert verify_data(manifest).faults == []
    figures = inspect_data(manifest)
    assert figures.word_pieces == counts.tokens
    assert figures.words == word_starts.sum() > 0
    assert figures.padding == counts.padding
    assert figures.unknown_tokens == counts.unknown_tokens
    assert figures.baselines == manifest.baselines
    assert [f for f in result.warnings if "WordPiece" in f] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_a_segment_begins_a_word(tmp_path, kind):
    """Also by byte-level BPE, of which the first piece of a line has no mark of a space."""
    path = given_tokenizer(kind, tmp_path / kind)
    lines = ["The cat sat on the mat", "The mat (the tested one)", "it barked at the dog"]
    documents = [lines, lines[::-1]]
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(map("\n".join, documents)), encoding="utf-8")
    prepare(text, tmp_path / "out", vocab=path, sequence_length=128)
    special = [*load_manifest(tmp_path / "out").special_ids.model_dump().values()]
    found = {}
    for ids, word_starts in zip(*whole(tmp_path / "out"), strict=True):  # [L] each
        is_text = ~np.isin(ids, special)  # [L]
        found[tuple(ids[is_text].tolist())] = word_starts[is_text].tolist()
    plain = Tokenizer.from_file(str(path))
    expected = {}
    for document in documents:
        encoded = plain.encode_batch(document, add_special_tokens=False)
        ids = tuple(number for line in encoded for number in line.ids)
        words = (pairwise([-1, *line.word_ids]) for line in encoded)
        expected[ids] = [a != b for a, b in chain.from_iterable(words)]
    assert found == expected


def test_same_bytes_for_any_number_of_workers_and_after_an_interruption(tmp_path, text):
    path = given_tokenizer("bytes", tmp_path / "t")
    told = []
    options = {"vocab": path, "slice_bytes": 4000, "sequence_length": 32}
    for workers in (1, 3):
        prepare(text, tmp_path / f"{workers}", workers=workers, **options, on_warning=told.append)
    assert folder_bytes(tmp_path / "1") == folder_bytes(tmp_path / "3")
    whole_folder = folder_bytes(tmp_path / "1")
    for name in ("manifest.json", "slices/00001.json", "tokenizer.json"):
        (tmp_path / "1" / name).unlink()
    prepare(text, tmp_path / "1", **options)
    assert folder_bytes(tmp_path / "1") == whole_folder
    assert told == []


def test_a_prepared_folder_is_the_tokenizer_of_the_next_one(tmp_path, text):
    """Roles that stood beside the file are in the manifest then."""
    path = given_tokenizer("bpe", tmp_path / "t")
    made = Tokenizer.from_file(str(path))
    made.add_special_tokens(["<blank>"])
    made.save(str(path))
    (tmp_path / "t" / "special_tokens_map.json").write_text('{"mask_token": "<blank>"}')
    (tmp_path / "t" / "config.json").write_text('{"vocab_size": 160}')
    options = {"sequence_length": 32, "allow_unknown": True}
    prepare(text, tmp_path / "a", vocab=path, **options)
    first = load_manifest(tmp_path / "a")
    assert first.vocab.size == 160
    # A file that was saved again, and gives the same ids, is the same tokenizer.
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    prepare(text, tmp_path / "again", vocab=path, **options)
    again = load_manifest(tmp_path / "again")
    assert again.vocab.sha256 != first.vocab.sha256
    assert again.identity == first.identity
    assert again.has_same_rows_as(first)
    assert first.special_ids.mask == made.token_to_id("<blank>") > 4
    prepare(text, tmp_path / "b", vocab=tmp_path / "a", **options)
    second = load_manifest(tmp_path / "b")
    assert second.vocab == first.vocab
    assert second.special_ids == first.special_ids
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")
    (tmp_path / "t" / "special_tokens_map.json").unlink()
    with pytest.raises(OutputError, match=r"special ones pad 4, .* and is now"):
        prepare(text, tmp_path / "a", vocab=path, **options)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_one_is_trained_for_text_without_spaces(tmp_path, kind):
    text = write_jsonl(tmp_path / "text.jsonl", [THAI * 4, JAPANESE * 4] * 12 + LINES[:200])
    prepare(text, tmp_path / "out", vocab_kind=kind, vocab_size=500, sequence_length=64)
    manifest = load_manifest(tmp_path / "out")
    assert (manifest.vocab.kind, manifest.vocab.size, manifest.tokenizer) == (kind, 500, None)
    assert manifest.special_ids.model_dump() == {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
    plain = Tokenizer.from_file(str(manifest.vocab_path))
    tokens = set(chain.from_iterable(plain.encode(t).tokens for t in (THAI, JAPANESE)))
    assert sum(len(token) > 2 for token in tokens) > 5
    content = manifest.vocab_path.read_bytes()
    prepare(
        text, tmp_path / "2", vocab_kind=kind, vocab_size=500, sequence_length=64, workers=2,
        slice_bytes=3000, on_note=lambda note: None,
    )  # fmt: skip
    assert (tmp_path / "2" / "tokenizer.json").read_bytes() == content


def test_too_many_unknown_words(tmp_path):
    text = write_jsonl(
        tmp_path / "text.jsonl", ["Кошка сидит на ковре " + "да " * n for n in range(50)]
    )
    path = given_tokenizer("unigram", tmp_path / "t")
    with pytest.raises(DataError, match=r"\[UNK\], as in 'да', 'Кошка'.*most of them Cyrillic"):
        prepare(text, tmp_path / "out", vocab=path, sequence_length=32)
    result = prepare(text, tmp_path / "out", vocab=path, sequence_length=32, allow_unknown=True)
    assert "most of them Cyrillic" in str(implausible(result.manifest)[0])


def test_a_file_that_was_changed(tmp_path, text):
    path = given_tokenizer("bytes", tmp_path / "t")
    prepare(text, tmp_path / "out", vocab=path, sequence_length=32)
    copy = tmp_path / "out" / "tokenizer.json"
    copy.write_text(copy.read_text() + " ")
    with pytest.raises(DataError, match=r"tokenizer\.json was changed"):
        load_manifest(tmp_path / "out")
