from __future__ import annotations

import random
import tracemalloc

import pytest

from electra_cli.corpus.duplicates import search as duplicate_search
from electra_cli.corpus.duplicates.hash_runs import Held
from electra_cli.corpus.duplicates.outcome import (
    DuplicateOptions,
    load_duplicates,
    without_duplicates,
)
from electra_cli.corpus.duplicates.search import finished_scan, resolve, scan_slice
from electra_cli.corpus.shards.counts import Counts
from electra_cli.errors import ConfigError, DataError
from tests.corpus.corpora import folder_bytes, names_in

EXACT = DuplicateOptions()
PARAGRAPHS = DuplicateOptions(paragraphs=True)


def random_slices(slices=4, documents=60, *, seed=0):
    """Slices in which documents and lines repeat within and across, one of them empty."""
    rng = random.Random(seed)
    lines = [f"line {number}" for number in range(120)]
    made = [
        [rng.choices(lines, k=rng.randint(1, 3)) for _ in range(documents)] for _ in range(slices)
    ]
    made.insert(2, [])
    return made


def deduplicate(slices, folder, options=EXACT, *, order=None, held=Held()):
    folder.mkdir(exist_ok=True)
    for index in order or range(len(slices)):
        scan_slice(slices[index], index, folder=folder, options=options, held=held)
    found = resolve(folder, len(slices), options=options, held=held)
    counts = Counts()
    kept = [
        list(without_duplicates(documents, index, folder=folder, duplicates=found, counts=counts))
        for index, documents in enumerate(slices)
    ]
    assert counts.duplicate_documents == found.duplicate_documents
    assert counts.near_duplicates == found.near_duplicates
    assert counts.duplicate_paragraphs == found.duplicate_paragraphs
    assert found.documents == sum(map(len, slices))
    return kept, counts


def by_hand(slices, *, paragraphs):
    """The same, with everything in memory."""
    counts = Counts()
    seen_documents, seen_lines = set(), set()
    result = []
    for documents in slices:
        kept = []
        for document in documents:
            if tuple(document) in seen_documents:
                counts.duplicate_documents += 1
                continue
            seen_documents.add(tuple(document))
            lines = []
            for line in document:
                if paragraphs and line in seen_lines:
                    counts.duplicate_paragraphs += 1
                    continue
                seen_lines.add(line)
                lines.append(line)
            counts.emptied_documents += not lines
            if lines:
                kept.append(lines)
        result.append(kept)
    return result, counts


@pytest.mark.parametrize("paragraphs", [False, True])
@pytest.mark.parametrize(("run", "range_bytes"), [(2**19, 2**25), (7, 100), (1, 2**25)])
def test_the_first_of_equal_ones_stays(tmp_path, paragraphs, run, range_bytes):
    slices = random_slices()
    held = Held(run=run, window=2 * run, range_bytes=range_bytes)
    options = DuplicateOptions(paragraphs=paragraphs)
    kept, counts = deduplicate(slices, tmp_path, options, held=held)
    assert (kept, counts) == by_hand(slices, paragraphs=paragraphs)
    assert counts.duplicate_documents > 20
    assert (counts.duplicate_paragraphs > 100) == paragraphs
    assert (counts.emptied_documents > 20) == paragraphs


def test_counts_on_a_corpus_of_known_duplicates(tmp_path):
    slices = [[["a", "b"], ["c"], ["a", "b"]], [["c"], ["d", "a"], ["b"], ["a", "b"]]]
    kept, counts = deduplicate(slices, tmp_path / "exact")
    assert kept == [[["a", "b"], ["c"]], [["d", "a"], ["b"]]]
    assert counts == Counts(duplicate_documents=3)
    kept, counts = deduplicate(slices, tmp_path / "paragraphs", PARAGRAPHS)
    assert kept == [[["a", "b"], ["c"]], [["d"]]]
    assert counts == Counts(duplicate_documents=3, duplicate_paragraphs=2, emptied_documents=1)


def test_lines_are_part_of_what_is_equal(tmp_path):
    slices = [[["a b"], ["a", "b"], ["ab"]]]
    assert deduplicate(slices, tmp_path)[0] == slices


def test_any_order_of_scanning_gives_the_same_bytes(tmp_path):
    slices = random_slices()
    deduplicate(slices, tmp_path / "one", PARAGRAPHS)
    deduplicate(slices, tmp_path / "two", PARAGRAPHS, order=[4, 0, 3, 1, 2])
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")
    assert names_in(tmp_path / "one")[-1] == "duplicates.json"
    assert not [name for name in names_in(tmp_path / "one") if name.startswith(("scan", "lines"))]


def test_a_finished_slice_is_not_read_again(tmp_path):
    slices = random_slices()
    first = scan_slice(slices[0], 0, folder=tmp_path, options=PARAGRAPHS)
    before = folder_bytes(tmp_path)

    def unread():
        raise AssertionError
        yield

    assert scan_slice(unread(), 0, folder=tmp_path, options=PARAGRAPHS) == first
    assert folder_bytes(tmp_path) == before
    assert finished_scan(tmp_path, 1, PARAGRAPHS) is None
    assert finished_scan(tmp_path, 0, EXACT) is None
    (tmp_path / "paragraphs-00000.bin").write_bytes(b"short")
    assert finished_scan(tmp_path, 0, PARAGRAPHS) is None
    scan_slice(slices[0], 0, folder=tmp_path, options=PARAGRAPHS)
    assert folder_bytes(tmp_path) == before


def test_an_interrupted_slice_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield ["a"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_slice(interrupted(), 0, folder=tmp_path, options=PARAGRAPHS)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("step", ["mark_repeats", "spread", "finish", "atomic_write_text"])
def test_resolving_again_after_a_kill_gives_the_same(tmp_path, monkeypatch, step):
    slices = random_slices()
    deduplicate(slices, tmp_path / "whole", PARAGRAPHS)
    killed = tmp_path / "killed"
    killed.mkdir()
    for index, documents in enumerate(slices):
        scan_slice(documents, index, folder=killed, options=PARAGRAPHS)
    real = getattr(duplicate_search, step)

    def kill_after(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(duplicate_search, step, kill_after)
        with pytest.raises(KeyboardInterrupt):
            resolve(killed, len(slices), options=PARAGRAPHS)
    assert (load_duplicates(killed, 5, PARAGRAPHS) is not None) == (step == "atomic_write_text")
    resolve(killed, len(slices), options=PARAGRAPHS)
    assert folder_bytes(killed) == folder_bytes(tmp_path / "whole")


def test_finished_pass_is_found_only_with_its_options_and_whole(tmp_path):
    slices = random_slices()
    deduplicate(slices, tmp_path, PARAGRAPHS)
    found = load_duplicates(tmp_path, 5, PARAGRAPHS)
    assert found == resolve(tmp_path, 5, options=PARAGRAPHS)
    assert load_duplicates(tmp_path, 4, PARAGRAPHS) is None
    assert load_duplicates(tmp_path, 5, EXACT) is None
    (tmp_path / "drop-documents-00001.bin").write_bytes(b"")
    assert load_duplicates(tmp_path, 5, PARAGRAPHS) is None


def test_every_slice_must_be_scanned(tmp_path):
    scan_slice([["a"]], 0, folder=tmp_path, options=EXACT)
    with pytest.raises(DataError, match="slice 1 is not scanned") as caught:
        resolve(tmp_path, 2, options=EXACT)
    assert caught.value.hint


@pytest.mark.parametrize(
    "changed",
    [
        [["a"], ["b", "c"]],
        [["a"], ["b", "c"], ["d"], ["e"]],
        [["a"], ["b", "c"], ["d", "e"]],
        [["a"], ["b"], ["d"]],
    ],
)
def test_input_that_changed_since_is_noticed(tmp_path, changed):
    slices = [[["a"], ["b", "c"], ["d"]]]
    deduplicate(slices, tmp_path, PARAGRAPHS)
    found = load_duplicates(tmp_path, 1, PARAGRAPHS)
    reading = without_duplicates(changed, 0, folder=tmp_path, duplicates=found, counts=Counts())
    with pytest.raises(DataError, match="slice 0 is no longer what was scanned") as caught:
        list(reading)
    assert caught.value.hint


def test_damaged_outcome_is_noticed(tmp_path):
    deduplicate([[["a"], ["b"]]], tmp_path)
    found = load_duplicates(tmp_path, 1, EXACT)
    (tmp_path / "drop-documents-00000.bin").write_bytes(b"\0\1")
    reading = without_duplicates([["a"]], 0, folder=tmp_path, duplicates=found, counts=Counts())
    with pytest.raises(DataError, match=r"drop-documents-00000\.bin is damaged"):
        list(reading)


def test_memory_depends_neither_on_the_size_of_a_slice_nor_on_repetition(tmp_path):
    held = Held(run=1000, range_bytes=2**16)

    def peak(documents, name):
        folder = tmp_path / name
        folder.mkdir()
        tracemalloc.start()
        try:
            scan_slice(documents, 0, folder=folder, options=PARAGRAPHS, held=held)
            resolve(folder, 1, options=PARAGRAPHS, held=held)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def different(count):
        return ([str(number), f"and {number}"] for number in range(count))

    def same(count):
        return ([str(number), "everywhere"] for number in range(count))

    # Four times the documents are 36,000 hashes more, which as they are would be 0.9 MB.
    for make in (different, same):
        few, many = (peak(make(count), f"{make.__name__}{count}") for count in (4000, 16_000))
        assert many < few + 0.1e6


def test_impossible_thresholds():
    for threshold in (0.0, 0.29, 0.96, float("nan")):
        with pytest.raises(ConfigError, match=f"is {threshold}; it must be"):
            DuplicateOptions(near_duplicates=threshold)
