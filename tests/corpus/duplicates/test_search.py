from __future__ import annotations

import pickle
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from electra_cli.corpus.duplicates import search
from electra_cli.corpus.duplicates.hashes import Held
from electra_cli.corpus.duplicates.outcome import DUPLICATES_FILE, DuplicateOptions
from electra_cli.corpus.duplicates.scan import scan_slice
from electra_cli.errors import TryAgainError
from electra_cli.files.atomic import AtomicFile
from tests.corpus.corpora import folder_bytes, names_in
from tests.corpus.duplicates.searching import (
    ALL,
    EXACT,
    PARAGRAPHS,
    SMALL,
    TINY,
    by_hand,
    deduplicate,
    random_slices,
    scanned,
    searched,
)


@pytest.mark.parametrize("paragraphs", [False, True])
@pytest.mark.parametrize(("slices", "held"), [(4, Held()), (30, TINY), (1, Held(1, 2**24))])
def test_the_first_of_equal_ones_stays(tmp_path, paragraphs, slices, held):
    made = random_slices(slices, 240 // slices)
    options = DuplicateOptions(paragraphs=paragraphs)
    kept, counts = deduplicate(made, tmp_path, options, held=held)
    assert (kept, counts) == by_hand(made, paragraphs=paragraphs)
    assert counts.duplicate_documents > 10
    assert (counts.duplicate_paragraphs > 20) == paragraphs
    assert (counts.emptied_documents > 10) == paragraphs


@pytest.mark.parametrize("slices", [[], [[]], [[], [], []], [[["a"]]]])
@pytest.mark.parametrize("options", [EXACT, ALL])
def test_hardly_anything(tmp_path, slices, options):
    assert deduplicate(slices, tmp_path, options)[0] == slices


def test_counts_on_a_corpus_of_known_duplicates(tmp_path):
    slices = [[["a", "b"], ["c"], ["a", "b"]], [["c"], ["d", "a"], ["b"], ["a", "b"]]]
    kept, counts = deduplicate(slices, tmp_path / "exact")
    assert kept == [[["a", "b"], ["c"]], [["d", "a"], ["b"]]]
    assert counts.duplicate_documents == 3
    kept, counts = deduplicate(slices, tmp_path / "paragraphs", PARAGRAPHS)
    assert kept == [[["a", "b"], ["c"]], [["d"]]]
    assert (counts.duplicate_documents, counts.duplicate_paragraphs) == (3, 2)
    assert counts.emptied_documents == 1


def test_lines_are_part_of_what_is_equal(tmp_path):
    slices = [[["a b"], ["a", "b"], ["ab"]]]
    assert deduplicate(slices, tmp_path)[0] == slices


def test_steps_in_any_order_twice_and_two_at_once_give_the_same_bytes(tmp_path):
    slices = random_slices(10, 20)
    plain, wild = tmp_path / "plain", tmp_path / "wild"
    scanned(slices, plain, ALL)
    searched(plain, len(slices), ALL, held=SMALL)
    scanned(slices, wild, ALL, order=[5, *range(5), *range(6, 11)])
    rng = random.Random(0)
    done = []
    with ThreadPoolExecutor(2) as threads:
        for steps in search.passes(wild, len(slices), ALL, SMALL):
            steps = [pickle.loads(pickle.dumps(step)) for step in steps]
            rng.shuffle(steps)
            for step in steps:
                for running in [threads.submit(step.work), threads.submit(step.work)]:
                    running.result()
                assert step.is_done
            # Some that another has done long ago are done once more.
            done += steps
            for step in rng.sample(done, 2):
                step.work()
    search.finish(wild, len(slices), ALL)
    assert folder_bytes(wild) == folder_bytes(plain)
    for divided in ("documents-repeats", "pairs", "paragraphs-repeats", "near-pairs"):
        assert len(list(plain.glob(f"search-*/{divided}-*"))) > 2
    for folder in (plain, wild):
        search.clean(folder)
        assert {name.rsplit("-", 1)[0] for name in names_in(folder)} == {
            "drop-documents",
            "drop-paragraphs",
            DUPLICATES_FILE,
        }


def test_how_much_is_held_changes_nothing_of_what_is_found(tmp_path):
    slices = random_slices(10, 20)
    for name, held in (("one", Held()), ("two", SMALL)):
        deduplicate(slices, tmp_path / name, ALL, held=held)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")


def test_a_search_that_is_killed_again_and_again_gives_the_same(tmp_path, monkeypatch):
    slices = random_slices(3, 20)
    deduplicate(slices, tmp_path / "whole", ALL, held=SMALL)
    killed = tmp_path / "killed"
    scanned(slices, killed, ALL)
    real, rng, left, kills = AtomicFile.commit, random.Random(0), 0, 0

    def kill_after(file):
        nonlocal left
        real(file)
        left -= 1
        if not left:
            raise KeyboardInterrupt

    monkeypatch.setattr(AtomicFile, "commit", kill_after)
    while not (killed / DUPLICATES_FILE).exists():
        left = rng.randint(1, 7)  # a step writes up to five files
        try:
            searched(killed, len(slices), ALL, held=SMALL)
        except KeyboardInterrupt:
            kills += 1
    assert kills > 8
    assert list(search.passes(killed, len(slices), ALL)) == []
    search.clean(killed)
    assert folder_bytes(killed) == folder_bytes(tmp_path / "whole")


def test_a_search_for_something_else_is_another_one(tmp_path):
    slices = random_slices()
    scanned(slices, tmp_path / "changed", PARAGRAPHS)
    for steps in search.passes(tmp_path / "changed", 5, PARAGRAPHS):
        for step in steps:
            step.work()
    for name in ("changed", "new"):
        deduplicate(slices, tmp_path / name)
    for path in (tmp_path / "changed").glob("drop-paragraphs-*"):
        path.unlink()
    assert folder_bytes(tmp_path / "changed") == folder_bytes(tmp_path / "new")


def test_every_slice_must_be_scanned(tmp_path):
    scan_slice([["a"]], 0, folder=tmp_path, options=EXACT)
    with pytest.raises(TryAgainError, match="slice 1 is not scanned") as caught:
        searched(tmp_path, 2)
    assert "with --stage scan" in caught.value.hint


def test_memory_depends_neither_on_the_size_of_a_slice_nor_on_repetition(tmp_path):
    held = Held(window=2**12, range_bytes=2**14)

    def peak(documents, name):
        folder = tmp_path / name
        folder.mkdir()
        tracemalloc.start()
        try:
            scan_slice(documents, 0, folder=folder, options=PARAGRAPHS)
            searched(folder, 1, PARAGRAPHS, held=held)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def different(count):
        return ([str(number), f"and {number}"] for number in range(count))

    def same(count):
        return ([str(number), "everywhere"] for number in range(count))

    peak(same(100), "imports")
    # Four times the documents are 18,000 hashes more, which as they are would be 0.4 MB.
    for make in (different, same):
        few, many = (peak(make(count), f"{make.__name__}{count}") for count in (3000, 12_000))
        assert many < few + 0.1e6
