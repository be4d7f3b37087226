from __future__ import annotations

import gzip
import json
import os
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.rows import ids_of, load_shard
from electra_cli.errors import ConfigError, DataError
from tests import prepared
from tests.corpus.corpora import (
    folder_bytes,
    make_documents,
    write_jsonl,
    write_text,
    write_vocabulary,
)
from tests.corpus.tables import write_tar
from tests.places import GOLDEN

DOCUMENTS = make_documents(120)


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt", DOCUMENTS)


@pytest.fixture
def vocab(tmp_path):
    return write_vocabulary(tmp_path / "words.txt")


def prepare(inputs, output, **options):
    defaults = {"workers": 1, "sequence_length": 32, "slice_bytes": 8000, "vocab_size": 300}
    return prepared.prepare(inputs, output, **{**defaults, **options})


def rows(folder: Path, split: str) -> list[list[int]]:
    manifest = load_manifest(folder)
    return [
        row.tolist()
        for path in manifest.paths_of(split)
        for row in ids_of(load_shard(path), manifest.sequence_length)
    ]


def words_of(folder: Path, split: str) -> set[str]:
    """Names of the documents of a split: the numbers in `document N`, from whole-word ids."""
    tokens = load_manifest(folder).vocab_path.read_text(encoding="utf-8").split("\n")
    text = [" ".join(tokens[id_] for id_ in row) for row in rows(folder, split)]
    joined = " ".join(text).replace(" ##", "").split()
    return {following for word, following in pairwise(joined) if word == "document"}


def is_held_out(document: str, fraction: float) -> bool:
    digest = blake2b(document.encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") / 2**128 < fraction


def test_figures_agree_with_the_files(tmp_path, text, vocab):
    result = prepare(text, tmp_path / "out", vocab=vocab, validation_fraction=0.2)
    manifest = load_manifest(tmp_path / "out")
    counts = manifest.counts
    train, held_out = rows(tmp_path / "out", "train"), rows(tmp_path / "out", "validation")
    assert counts.documents == 120
    assert counts.words == sum(len(document.split()) for document in DOCUMENTS)
    numbers = sum(len(str(number)) - 1 for number in range(120))  # each digit a piece
    assert counts.tokens == counts.words + numbers
    assert counts.unknown_tokens == counts.unknown_rate == 0
    assert (manifest.examples, manifest.validation_examples) == (len(train), len(held_out))
    ids = np.array(train + held_out)
    assert counts.padding == (ids == 0).sum()
    assert manifest.padding_share == (ids == 0).mean()
    kept = (ids > 4).sum()
    assert counts.tokens - counts.dropped_tokens == kept
    assert counts.input_bytes == text.stat().st_size
    assert len(manifest.shards) > 4
    assert result.manifest == manifest
    assert result.megabytes_per_second > 0
    assert manifest.special_ids.model_dump() == {
        "pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4,
    }  # fmt: skip
    assert (ids[:, 0] == 2).all()
    assert manifest.dtype == "uint16"


def test_documents_are_held_out_by_their_hash(tmp_path, text, vocab):
    prepare(text, tmp_path / "out", vocab=vocab, validation_fraction=0.2)
    expected = {document.split()[1] for document in DOCUMENTS if is_held_out(document, 0.2)}
    assert 10 < len(expected) < 40
    assert words_of(tmp_path / "out", "validation") == expected
    # The name may be trimmed away or end up alone, but never on the other side.
    assert words_of(tmp_path / "out", "train").isdisjoint(expected)


def test_the_same_text_elsewhere_gives_the_same_bytes(tmp_path, text):
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / text.name).write_bytes(text.read_bytes())
    prepare(text, tmp_path / "1")
    prepare(tmp_path / "moved" / text.name, tmp_path / "2")
    one = folder_bytes(tmp_path / "1")
    assert folder_bytes(tmp_path / "2") == one
    assert len([name for name in one if name.startswith("train")]) > 4
    assert all(str(tmp_path).encode() not in content for content in one.values())


def test_same_rows_for_any_slices_and_formats(tmp_path, text, vocab):
    (tmp_path / "two").mkdir()
    write_jsonl(tmp_path / "two" / "a.jsonl", DOCUMENTS[:50])
    whole = "\r\n\r\n".join(document.replace("\n", "\r\n") for document in DOCUMENTS[50:])
    (tmp_path / "two" / "b.txt.gz").write_bytes(gzip.compress(whole.encode()))
    options = {"vocab": vocab, "validation_fraction": 0.1}
    prepare(text, tmp_path / "a", slice_bytes=3000, **options)
    prepare(text, tmp_path / "b", slice_bytes=10**6, **options)
    prepare(tmp_path / "two", tmp_path / "c", **options)
    for split in ("train", "validation"):
        first = rows(tmp_path / "a", split)
        assert first
        assert rows(tmp_path / "b", split) == first
        assert rows(tmp_path / "c", split) == first


def test_seed_changes_the_packing_and_not_the_split(tmp_path, text, vocab):
    for seed in (0, 1):
        prepare(text, tmp_path / str(seed), vocab=vocab, seed=seed, validation_fraction=0.1)
    assert rows(tmp_path / "0", "train") != rows(tmp_path / "1", "train")
    assert words_of(tmp_path / "0", "validation") == words_of(tmp_path / "1", "validation")


def lowest(documents: list[str]) -> str:
    return min(documents, key=lambda text: blake2b(text.encode(), digest_size=16).digest())


@pytest.mark.parametrize("worker_count", [1, 2])
def test_the_lowest_hash_is_held_out_with_its_copies_if_the_fraction_catches_none(
    tmp_path, vocab, worker_count
):
    # A document without tokens has the lowest hash of all, and does not count.
    empty = next(
        text
        for text in (chr(0x200B + number % 5) * (number + 1) for number in range(100_000))
        if is_held_out(text, 1e-3)
    )
    documents = make_documents(20)
    name = lowest(documents)
    text = write_text(tmp_path / "a.txt", [*documents, name, empty])
    options = {"vocab": vocab, "validation_fraction": 1e-9, "slice_bytes": 600}
    prepare(text, tmp_path / "out", workers=worker_count, **options)
    manifest = load_manifest(tmp_path / "out")
    assert manifest.counts.validation_documents == 2
    assert manifest.counts.documents == 21
    assert manifest.counts.empty_documents == 1
    assert words_of(tmp_path / "out", "validation") == {name.split()[1]}
    assert name.split()[1] not in words_of(tmp_path / "out", "train")
    # Resuming after one of the two slices was divided anew gives the same again.
    before = folder_bytes(tmp_path / "out")
    first = manifest.shards_of("validation")[0]
    (tmp_path / "out" / "manifest.json").unlink()
    (tmp_path / "out" / first.file).unlink()
    prepare(text, tmp_path / "out", **options)
    assert folder_bytes(tmp_path / "out") == before


def test_one_document_leaves_nothing_to_train_on(tmp_path, vocab):
    text = write_text(tmp_path / "a.txt", DOCUMENTS[:1] * 3)
    with pytest.raises(DataError, match="at least one document, holds out all of 3"):
        prepare(text, tmp_path / "out", vocab=vocab)
    assert folder_bytes(tmp_path / "out") == {}
    write_text(text, DOCUMENTS[:2])
    assert prepare(text, tmp_path / "out", vocab=vocab).manifest.examples > 0


@pytest.mark.parametrize("content", ["\n\n \n", "\u200b\n\n\u200d\u200d\n"])
def test_nothing_usable_is_an_error(tmp_path, content):
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="no document has a token"):
        prepare(tmp_path / "a.txt", tmp_path / "out")


@pytest.mark.parametrize("worker_count", [1, 2])
def test_bad_input_under_fail_and_skip(tmp_path, vocab, worker_count):
    path = write_jsonl(tmp_path / "a.jsonl", DOCUMENTS)
    lines = path.read_bytes().splitlines()
    lines[70] = b"{broken"
    lines[90] = b'{"text": "\xff"}'
    lines[100] = b'{"body": "x"}'
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match=r"a\.jsonl, line (71|91|101): "):
        prepare(path, tmp_path / "out", vocab=vocab, workers=worker_count)
    counts = prepare(path, tmp_path / "out", vocab=vocab, on_error="skip").manifest.counts
    assert (
        counts.bad_json_lines,
        counts.invalid_utf8,
        counts.documents,
    ) == (
        2,
        1,
        117,
    )


def test_the_first_that_are_damaged_are_named_in_a_stream_and_in_a_slice(tmp_path, vocab):
    whole = gzip.compress("\n\n".join(DOCUMENTS).encode())
    members = {f"{number}.txt.gz": whole[:-20] if number % 2 else whole for number in range(14)}
    path, notes = write_tar(tmp_path / "a.tar", members), []
    options = {"vocab": vocab, "on_error": "skip", "on_note": notes.append}
    expected = [f"a.tar!{number}.txt.gz" for number in (1, 3, 5, 7, 9)]
    for name, more in {
        "stream": {},
        "workers": {"workers": 2},
        "slice": {"slice_bytes": 10**7},
    }.items():
        prepare(path, tmp_path / name, **options, **more)
        manifest = load_manifest(tmp_path / name)
        assert manifest.left_out == expected
        assert manifest.counts.damaged_inputs == 7
        assert notes.pop() == (
            f"read in part or left out by --on-error skip: 7 ({', '.join(expected)}, …)"
        )
    assert folder_bytes(tmp_path / "stream") == folder_bytes(tmp_path / "workers")
    assert len(list((tmp_path / "stream" / "slices").iterdir())) > 5


def test_a_correction_after_an_early_error_is_accepted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": 1}\n')
    with pytest.raises(DataError, match="line 1: field 'text' holds a int"):
        prepare(path, tmp_path / "out")
    assert folder_bytes(tmp_path / "out") == {}
    write_jsonl(path, DOCUMENTS)
    assert prepare(path, tmp_path / "out").manifest.counts.documents == 120


def test_progress_grows_to_the_whole(tmp_path, text):
    seen: list[tuple[float, str]] = []
    prepare(text, tmp_path / "out", on_progress=lambda *state: seen.append(state))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert seen[0][1] == "counting words"


def test_a_brought_vocabulary_keeps_its_ids(tmp_path, text):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[unused0]\n[MASK]\n[SEP]\n[CLS]\n[UNK]\nthe\n")
    prepare(text, tmp_path / "out", vocab=path, allow_unknown=True)
    manifest = load_manifest(tmp_path / "out")
    assert manifest.special_ids.model_dump() == {
        "pad": 0, "unk": 5, "cls": 4, "sep": 3, "mask": 2,
    }  # fmt: skip
    assert set(np.unique(rows(tmp_path / "out", "train"))) == {0, 3, 4, 5, 6}
    assert manifest.counts.unknown_tokens > 0.9 * manifest.counts.tokens


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("vocab_size", 99),
        ("sequence_length", 7),
        ("workers", 0),
        ("seed", -1),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("validation_fraction", float("nan")),
    ],
)
def test_impossible_values(tmp_path, text, option, value):
    with pytest.raises(ConfigError, match="--" + option.replace("_", "-")):
        prepare(text, tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_manifest_is_written_last(tmp_path, text, monkeypatch):
    names: list[str] = []
    original = os.fsync

    def record(handle: int) -> None:
        names.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        original(handle)

    monkeypatch.setattr(os, "fsync", record)
    prepare(text, tmp_path / "out")
    files = [name for name in names if name.endswith(".tmp")]
    assert files[0].startswith(".plan.json.")
    assert files[-1].startswith(".manifest.json.")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["format_version"] == 2


@pytest.mark.parametrize(("field", "uncased"), [("lower_ids", True), ("cased_ids", False)])
def test_ids_are_the_references_through_the_whole_pipeline(tmp_path, field, uncased):
    golden = GOLDEN / "tokenization"
    text = (golden / "lines.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.split("\n") if line]
    twice = [line["text"] for line in lines] * 2  # the second time from the cache
    out = tmp_path / "out"
    prepare(
        write_jsonl(tmp_path / "a.jsonl", twice), out, vocab=golden / "vocab.txt",
        lowercase=uncased, strip_accents=uncased, packing="full", sequence_length=2**16,
        validation_fraction=0.1, slice_bytes=2**24,
    )  # fmt: skip
    special = load_manifest(out).special_ids
    found = []
    for split in ("train", "validation"):
        (row,) = rows(out, split)
        documents: list[list[int]] = [[]]
        for id_ in row[1:]:
            if id_ == special.sep:
                documents.append([])
            elif id_ != special.pad:
                documents[-1].append(id_)
        found += [ids for ids in documents if ids]
    expected = [line[field] for line in lines if line[field]] * 2
    assert len(expected) > 900
    assert sorted(found) == sorted(expected)


def test_everything_held_out_names_the_option(tmp_path, text, vocab):
    with pytest.raises(DataError, match=r"--validation-fraction 0\.9999, .* holds out all of 120"):
        prepare(text, tmp_path / "out", vocab=vocab, validation_fraction=0.9999)
